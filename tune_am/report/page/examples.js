// The ascent's curves, and the histograms of what the score measures.
const KINDS = [["real", "real", "real"], ["synthesised", "made", "synthesised"], ["never", "never", "never optimised"]];

function drawAscent(facts) {
  return (svg, width) => {
    const height = 300, box = { left: 40, right: width - 8, top: 26, bottom: height - 42 };
    const { steps, starts, median } = facts.ascent, real = facts.activations.sets.real;
    const seen = starts.flat().concat(median).filter((v) => v !== null);
    const ends = [real.mean - real.deviation, real.mean + real.deviation];
    const x = scale([1, Math.max(2, steps[steps.length - 1])], [box.left, box.right]);
    const y = scale([Math.min(...seen, ends[0]), Math.max(...seen, ends[1])], [box.bottom, box.top]);
    svg.append(make("rect", { class: "real area", x: box.left, width: box.right - box.left, y: y(ends[1]), height: y(ends[0]) - y(ends[1]) }));
    axes(svg, box, x, y, ["step of the ascent", `activation of ${facts.neuron}`]);
    svg.append(make("path", { class: "real line", d: path([[box.left, y(real.mean)], [box.right, y(real.mean)]]) }));
    const drawn = (values, kind) => {
      const points = values.map((v, i) => [v, steps[i]]).filter(([v]) => v !== null).map(([v, s]) => [x(s), y(v)]);
      svg.append(make("path", { class: `made line ${kind}`, d: path(points) }));
    };
    starts.forEach((values) => drawn(values, "thin"));
    drawn(median, "thick");
    svg.append(make("text", { class: "real", x: box.left + 6, y: y(real.mean) - 6 }, "real"));
    const cover = make("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top, fill: "transparent" });
    tip.on(cover, (event) => {
      const at = x.value(event.clientX - svg.getBoundingClientRect().left);
      const i = steps.reduce((near, step, k) => (Math.abs(step - at) < Math.abs(steps[near] - at) ? k : near), 0);
      const here = starts.map((values) => values[i]).filter((v) => v !== null);
      return `step ${steps[i]}: median ${number(median[i])}\nfrom ${number(Math.min(...here))} to ${number(Math.max(...here))}`;
    });
    svg.append(cover);
    return height;
  };
}

function drawActivations(facts) {
  return (svg, width) => {
    const height = 300, box = { left: 40, right: width - 8, top: 74, bottom: height - 42 };
    const { edges, sets } = facts.activations;
    const shares = KINDS.map(([key]) => sets[key].counts.map((count) => count / sets[key].n));
    const x = scale([edges[0], edges[edges.length - 1]], [box.left, box.right]);
    const y = scale([0, Math.max(...shares.flat())], [box.bottom, box.top]);
    axes(svg, box, x, y, [`activation of ${facts.neuron}`, "share"]);
    KINDS.forEach(([key, kind, words], row) => {
      const set = sets[key], line = 24 + 15 * row;
      const ends = [set.mean - set.deviation, set.mean + set.deviation].map(x);
      svg.append(make("path", { class: `${kind} line`, d: path([[ends[0], line], [ends[1], line]]) }));
      svg.append(make("circle", { class: `${kind} dot`, cx: x(set.mean), cy: line, r: 4 }));
      const before = x(set.mean) > (box.left + box.right) / 2;
      svg.append(make("text", { class: kind, x: before ? ends[0] - 6 : ends[1] + 6, y: line + 4, "text-anchor": before ? "end" : "start" }, words));
      const outline = set.counts.flatMap((_, i) => [[x(edges[i]), y(shares[row][i])], [x(edges[i + 1]), y(shares[row][i])]]);
      const closed = [[box.left, box.bottom], ...outline, [box.right, box.bottom]];
      svg.append(make("path", { class: `${kind} area`, d: path(closed) }), make("path", { class: `${kind} line`, d: path(closed) }));
    });
    for (let i = 0; i + 1 < edges.length; i++) {
      const bar = make("rect", { x: x(edges[i]), y: box.top, width: x(edges[i + 1]) - x(edges[i]), height: box.bottom - box.top, fill: "transparent" });
      tip.on(bar, () => [`activation ${number(edges[i])} to ${number(edges[i + 1])}`, ...KINDS.map(([key, , words]) => `${words}: ${sets[key].counts[i]} of ${sets[key].n}`)].join("\n"));
      svg.append(bar);
    }
    return height;
  };
}

// Scores with their intervals: what the best is read against.
function drawLevels(rows) {
  return (svg, width) => {
    const narrow = width < 520, left = narrow ? 8 : 150, step = narrow ? 40 : 28, top = narrow ? 22 : 10;
    const bottom = top + step * rows.length, x = scale([Math.min(0, ...rows.map((row) => row.low ?? row.fid)), Math.max(...rows.map((row) => row.high ?? row.fid))], [left, width - 12], data.score.scale);
    for (const value of x.ticks(width / 110)) {
      svg.append(make("line", { class: "grid", x1: x(value), x2: x(value), y1: top - 6, y2: bottom }));
      svg.append(make("text", { x: x(value), y: bottom + 14, "text-anchor": "middle" }, number(value)));
    }
    rows.forEach((row, i) => {
      const y = top + step * i + (narrow ? 20 : step / 2), kind = row.kind;
      const group = make("g", { class: kind, tabindex: 0, role: "img", "aria-label": row.words });
      group.append(make("rect", { x: 0, y: top + step * i, width, height: step, fill: "transparent" }));
      group.append(make("text", { class: "title", x: narrow ? left : 0, y: narrow ? y - 9 : y + 4 }, row.name));
      if (row.low !== null) group.append(make("path", { class: `${kind} line`, d: path([[x(row.low), y], [x(row.high), y]]) }));
      group.append(make("circle", { class: `${kind} dot`, cx: x(row.fid), cy: y, r: 4.5 }));
      tip.on(group, () => row.words);
      group.addEventListener("focus", () => tip.show(row.words, group.getBoundingClientRect().left, group.getBoundingClientRect().top + step));
      group.addEventListener("blur", () => tip.hide());
      svg.append(group);
    });
    svg.append(make("text", { class: "title", x: (left + width) / 2, y: bottom + 32, "text-anchor": "middle" }, `${data.score.label} (${data.score.scale === "root" ? "axis by roots: " : ""}${data.score.maximise ? "higher" : "lower"} is better)`));
    return bottom + 40;
  };
}

for (const [id, facts] of Object.entries(data.charts)) {
  if (facts.ascent) chart(`ascent${id}`, drawAscent(facts));
  chart(`activations${id}`, drawActivations(facts));
}
if (data.levels) chart("levels", drawLevels(data.levels));
