// What was scored again by its first two objectives: which settings are on the front.
function drawFront({ points, titles, scales, joined }) {
  return (svg, width) => {
    const height = 330, box = { left: 46, right: width - 44, top: 26, bottom: height - 42 };
    const along = (k, pixels) => {
      const values = points.map((point) => point.scores[k]), low = Math.min(...values), high = Math.max(...values);
      const room = (high - low || Math.abs(high) || 1) * 0.08;
      return scale([scales[k] === "root" ? Math.max(0, low - room) : low - room, high + room], pixels, scales[k]);
    };
    const x = along(0, [box.left, box.right]), y = along(1, [box.bottom, box.top]);
    axes(svg, box, x, y, titles);
    if (joined) { // a third objective would make the line go to and fro
      const front = points.filter((point) => point.on).sort((a, b) => a.scores[0] - b.scores[0]);
      svg.append(make("path", { class: "made line dash", d: path(front.map(({ scores }) => [x(scores[0]), y(scores[1])])) }));
    }
    for (const point of points) {
      const [cx, cy] = [x(point.scores[0]), y(point.scores[1])];
      const group = make("g", { class: point.kind, tabindex: 0, role: "img", "aria-label": point.words });
      group.append(make("circle", { class: `${point.kind} dot`, cx, cy, r: 4.5 }), make("text", { class: point.kind, x: cx + 8, y: cy - 6 }, point.name));
      tip.on(group, () => point.words);
      svg.append(group);
    }
    return height;
  };
}

if (data.front) chart("front", drawFront(data.front));
