// The search: one selection shared by parallel coordinates, curves and table.
const search = data.search && {
  trials: data.search.trials,
  hidden: new Set(),
  brushes: new Map(), // axis -> [low, high] in shares of the axis
  marks: new Map(), // trial -> its nodes in every view
  trialsOf: (number) => search.marks.get(number) || search.marks.set(number, []).get(number),

  ended: (trial) => data.search.outcomes[trial.outcome],
  score: (trial, metric = "score") => (trial[metric] < data.search.penalty ? number(trial[metric]) : "–"), // none where it diverged
  words(trial) {
    const settings = data.search.varied.map((name) => `${name} ${show(trial.settings[name])}`);
    return [`trial ${trial.trial}: ${data.score.label} ${this.score(trial)}, ${this.ended(trial)} (step ${trial.step})`, ...settings].join("\n");
  },
  kept(trial) {
    const within = ([axis, [low, high]]) => axis.at(trial) >= low - 1e-9 && axis.at(trial) <= high + 1e-9;
    return !this.hidden.has(trial.outcome) && [...this.brushes].every(within);
  },
  mark(trial, node) {
    const { trial: id, outcome } = trial;
    node.classList.toggle("best", id === data.search.best);
    node.classList.toggle("stopped", outcome !== "finished");
    node.dataset.trial = id;
    node.addEventListener("pointerenter", () => this.over(id, true));
    node.addEventListener("pointerleave", () => this.over(id, false));
    this.trialsOf(id).push(node);
  },
  over(id, on) {
    this.trialsOf(id).forEach((node) => node.classList.toggle("over", on));
  },
  forget(svg) { // before a view is drawn anew
    for (const [id, nodes] of this.marks) this.marks.set(id, nodes.filter((node) => node.isConnected && !svg.contains(node)));
  },
  reach() { // the table by Tab: its first row that is shown
    const rows = [...document.querySelectorAll("#trials tbody tr")], first = rows.find((row) => !row.hidden);
    rows.forEach((row) => (row.tabIndex = row === first ? 0 : -1));
  },
  update() {
    let count = 0;
    for (const trial of this.trials) {
      const kept = this.kept(trial);
      count += kept;
      for (const node of this.trialsOf(trial.trial)) {
        if (node.tagName === "TR") node.hidden = !kept;
        else node.classList.toggle("out", !kept);
      }
    }
    this.reach();
    document.getElementById("status").textContent = `${count} of ${this.trials.length} trial${this.trials.length === 1 ? "" : "s"}`;
    // Not `hidden`: what stands below must not move under a pointer that drags.
    document.getElementById("clear").style.visibility = this.brushes.size || this.hidden.size ? "visible" : "hidden";
  },
};

// A trial's line in a chart, easier to hit than to see.
function trialLine(trial, d, end) {
  const group = make("g", { class: "trial" }, make("path", { class: "line", d }), make("path", { class: "hit", d }));
  if (end) group.append(end);
  search.mark(trial, group);
  tip.on(group, () => search.words(trial));
  return group;
}

// The best last, so that it lies on top.
function inOrder(trials) {
  return [...trials].sort((a, b) => (a.trial === data.search.best) - (b.trial === data.search.best) || (b.score - a.score) * (data.score.maximise ? -1 : 1));
}

function drawCourses(svg, width) {
  search.forget(document.getElementById("courses"));
  const { points, levels } = data.search, height = 330;
  const box = { left: 40, right: width - 12, top: 26, bottom: height - 42 };
  const all = search.trials.filter((trial) => trial.outcome !== "diverged");
  const scores = all.flatMap((trial) => trial.course.map(([, score]) => score)).filter((score) => score < data.search.penalty);
  const top = Math.max(...scores, ...Object.values(levels)), last = points[points.length - 1];
  const x = scale([points[0], Math.max(last, points[0] + 1)], [box.left + 8, box.right - 8], "log");
  const y = scale([Math.min(0, ...scores), top], [box.bottom, box.top], data.score.scale);
  axes(svg, box, x, y, ["step of the ascent", `${data.score.label}, best so far`], points);
  const names = [];
  let above = Infinity;
  for (const [words, level] of Object.entries(levels).sort(([, a], [, b]) => a - b)) {
    svg.append(make("path", { class: "real line dash", d: path([[box.left, y(level)], [box.right, y(level)]]) }));
    above = Math.min(y(level) - 5, above - 13);
    // Trials go from the top left to the bottom right: the other corners are free.
    const high = level > top / 4;
    names.push(make("text", { class: "real", x: high ? box.right : box.left + 6, y: above, "text-anchor": high ? "end" : "start" }, words));
  }
  for (const trial of inOrder(search.trials)) {
    const line = trial.course.map(([step, score]) => [x(step), y(Math.min(score, top))]);
    const [cx, cy] = line[line.length - 1];
    const cross = make("path", { class: "line", style: "stroke-dasharray:none", d: `M${cx - 4},${cy - 4}l8,8m0,-8l-8,8` });
    const end = trial.outcome === "finished" ? make("circle", { class: "dot", cx, cy, r: 3.5 }) : cross;
    svg.append(trialLine(trial, path(line), end));
  }
  svg.append(...names);
  search.update();
  return height;
}

// The table: sorted by any column, its rows walked with the arrow keys.
function fillTable(table) {
  // A column's title, what it is sorted by, and its text where that is another.
  const columns = [
    ["trial", (t) => t.trial], ["outcome", search.ended], ["step", (t) => t.step],
    [data.score.label, (t) => t.score, (t) => search.score(t)],
    ...data.score.others.map(({ label, metric }) => [label, (t) => t[metric], (t) => search.score(t, metric)]),
    ...data.search.varied.map((name) => [name, (t) => t.settings[name]]),
  ];
  const body = document.createElement("tbody"), heads = document.createElement("tr");
  const rows = search.trials.map((trial) => {
    const row = document.createElement("tr");
    for (const [, value, text] of columns) {
      const cell = row.insertCell();
      cell.textContent = show((text || value)(trial));
      if (typeof value(trial) === "number") cell.className = "n";
    }
    row.title = search.words(trial);
    search.mark(trial, row);
    row.addEventListener("focus", () => search.over(trial.trial, true));
    row.addEventListener("blur", () => search.over(trial.trial, false));
    return { trial, row };
  });
  body.addEventListener("keydown", (event) => {
    const move = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    let next = move && event.target[move];
    while (next && next.hidden) next = next[move];
    if (move) event.preventDefault();
    if (next) next.focus();
  });
  const order = (k, down) => {
    const value = columns[k][1];
    rows.sort((a, b) => (value(a.trial) > value(b.trial) ? 1 : value(a.trial) < value(b.trial) ? -1 : 0) * (down ? -1 : 1));
    body.replaceChildren(...rows.map(({ row }) => row));
    search.reach();
    [...heads.cells].forEach((cell, i) => (i === k ? cell.setAttribute("aria-sort", down ? "descending" : "ascending") : cell.removeAttribute("aria-sort")));
  };
  columns.forEach(([name, value], k) => {
    const cell = document.createElement("th"), button = document.createElement("button");
    cell.scope = "col";
    cell.className = typeof value(search.trials[0]) === "number" ? "n" : "";
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => order(k, cell.getAttribute("aria-sort") === "ascending"));
    cell.append(button);
    heads.append(cell);
  });
  const head = document.createElement("thead");
  head.append(heads);
  table.replaceChildren(head, body);
  order(3, data.score.maximise);
}
