// Parallel coordinates: axes stand on a wide page and lie on a narrow one.
function parallelAxes() {
  const axis = (name, value, kind) => {
    const values = search.trials.map(value), seen = [...new Set(values)];
    if (kind !== "root" && typeof values[0] !== "number") {
      seen.sort();
      const share = (v) => (seen.indexOf(v) + 0.5) / seen.length;
      return { name, at: (t) => share(value(t)), ticks: seen.map((v) => [share(v), String(v)]) };
    }
    const finite = seen.filter((v) => v < data.search.penalty), most = Math.max(...finite);
    const low = kind === "root" ? 0 : Math.min(...finite), above = finite.filter((v) => v > 0);
    const bent = kind || (low >= 0 && most / Math.min(...above) > 20 ? "log" : "linear");
    // A logarithm has no zero: it gets a place of its own, below the rest.
    const floor = bent === "log" && low === 0 ? 0.12 : 0;
    const along = scale([bent === "log" ? Math.min(...above) : low, most], [floor, 1], bent);
    const share = (v) => (floor && v === 0 ? 0 : Math.min(1, along(v)));
    const ticks = along.ticks(4).map((v) => [along(v), number(v)]);
    return { name, at: (t) => share(value(t)), ticks: floor ? [[0, "0"], ...ticks] : ticks };
  };
  const settings = data.search.varied.map((name) => axis(name.replace("_", " "), (t) => t.settings[name]));
  const others = data.score.others.map(({ label, metric, scale }) => axis(label, (t) => t[metric], scale));
  return [...settings, ...others, axis(data.score.label, (t) => t.score, data.score.scale)];
}

function drawParallel(list) {
  return (svg, width) => {
    search.forget(document.getElementById("parallel"));
    const lying = width < 110 * list.length * 0.75;
    const left = lying ? 22 : 46, right = lying ? 22 : 46, gap = 62;
    const height = lying ? 34 + gap * (list.length - 1) + 34 : 370, top = 44, bottom = height - 14;
    const cross = (k) => (lying ? 30 + gap * k : left + (k * (width - left - right)) / Math.max(1, list.length - 1));
    const along = (u) => (lying ? left + u * (width - left - right) : bottom - u * (bottom - top));
    const point = (k, u) => (lying ? [along(u), cross(k)] : [cross(k), along(u)]);

    const lines = make("g");
    for (const trial of inOrder(search.trials)) lines.append(trialLine(trial, path(list.map((axis, k) => point(k, axis.at(trial))))));
    svg.append(lines);
    list.forEach((axis, k) => {
      const [x1, y1] = point(k, 0), [x2, y2] = point(k, 1);
      const node = make("g", { class: lying ? "along" : "across", tabindex: 0, role: "button", "aria-pressed": false, "aria-label": `Filter by ${axis.name}` });
      const zone = lying ? { x: x1 - 8, y: y1 - 13, width: x2 - x1 + 16, height: 26 } : { x: x1 - 13, y: y2 - 8, width: 26, height: y1 - y2 + 16 };
      node.append(make("rect", { class: "zone", ...zone }), make("line", { class: "axis", x1, y1, x2, y2 }));
      for (const [u, words] of axis.ticks) {
        const [x, y] = point(k, u);
        node.append(make("line", lying ? { class: "axis", x1: x, x2: x, y1: y, y2: y + 4 } : { class: "axis", x1: x - 4, x2: x, y1: y, y2: y }));
        node.append(make("text", lying ? { x, y: y + 16, "text-anchor": "middle" } : { x: x - 7, y: y + 4, "text-anchor": "end" }, words));
      }
      const title = lying ? { x: x1, y: y1 - 10 } : { x: x1, y: k % 2 && list.length > 6 ? 24 : 10, "text-anchor": k === 0 ? "start" : k === list.length - 1 ? "end" : "middle" };
      node.append(make("text", { class: "title", ...title }, axis.name));
      const brush = make("rect", { class: "brush", visibility: "hidden" });
      node.append(brush);
      brushing(node, axis, (u) => {
        const [a, b] = u.map(along).sort((p, q) => p - q);
        const place = lying ? { x: a, y: y1 - 7, width: b - a, height: 14 } : { x: x1 - 7, y: a, width: 14, height: b - a };
        for (const [key, value] of Object.entries(place)) brush.setAttribute(key, value);
      }, brush, (event) => {
        const box = svg.getBoundingClientRect(), stretch = width / box.width;
        const pixel = (lying ? event.clientX - box.left : event.clientY - box.top) * stretch;
        return Math.max(0, Math.min(1, (pixel - along(0)) / (along(1) - along(0))));
      });
      svg.append(node);
    });
    search.update();
    return height;
  };
}

// An axis's brush, by pointer and by keys. place(range) draws it, where(event) is a share of the axis.
function brushing(node, axis, place, brush, where) {
  let start = null;
  const set = (range) => {
    if (range) search.brushes.set(axis, range);
    else search.brushes.delete(axis);
    brush.setAttribute("visibility", range ? "visible" : "hidden");
    node.setAttribute("aria-pressed", search.brushes.has(axis));
    if (range) place(range);
    search.update();
  };
  axis.clear = () => set(null);
  if (search.brushes.has(axis)) set(search.brushes.get(axis));
  node.addEventListener("pointerdown", (event) => {
    start = where(event);
    node.setPointerCapture(event.pointerId);
  });
  const drag = (event) => {
    if (start === null) return;
    const here = where(event), far = Math.abs(here - start) > 0.02;
    if (far) set([Math.min(start, here), Math.max(start, here)]);
    else if (event.type === "pointerup") set(null); // a click clears
  };
  node.addEventListener("pointermove", drag);
  node.addEventListener("pointerup", (event) => {
    drag(event);
    start = null;
  });
  node.addEventListener("pointercancel", () => (start = null));
  node.addEventListener("keydown", (event) => {
    const middle = [0.35, 0.65], [low, high] = search.brushes.get(axis) || middle;
    const move = { ArrowUp: 0.05, ArrowRight: 0.05, ArrowDown: -0.05, ArrowLeft: -0.05 }[event.key];
    const grow = { "+": 0.05, "=": 0.05, "-": -0.05 }[event.key];
    if (move !== undefined) {
      const by = Math.max(-low, Math.min(1 - high, move));
      set([low + by, high + by]);
    } else if (grow !== undefined && high - low + 2 * grow > 0.02) {
      set([Math.max(0, low - grow), Math.min(1, high + grow)]);
    } else if (event.key === "Enter" || event.key === " ") {
      set(search.brushes.has(axis) ? null : middle);
    } else if (event.key === "Escape") {
      set(null);
    } else return;
    event.preventDefault();
  });
}

if (search) {
  document.querySelector(".tools").hidden = false;
  const list = parallelAxes();
  fillTable(document.getElementById("trials"));
  chart("parallel", drawParallel(list));
  chart("courses", drawCourses);
  const buttons = [...document.querySelectorAll("button.outcome")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", shown);
      search.hidden[shown ? "delete" : "add"](button.dataset.outcome);
      search.update();
    });
  }
  document.getElementById("clear").addEventListener("click", () => {
    list.forEach((axis) => axis.clear());
    buttons.forEach((button) => button.setAttribute("aria-pressed", true));
    search.hidden.clear();
    search.update();
  });
  search.update();
}
