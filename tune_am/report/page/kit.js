"use strict";
// The few pieces that all charts are made of.

const data = JSON.parse(document.getElementById("data").textContent);

function make(name, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Three significant digits, as in the text.
function number(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(size < 1 ? 1 : 2).replace(/\.?0+e/, "e").replace("-", "−");
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(size)));
  return String(Number(value.toFixed(digits))).replace("-", "−");
}

function show(value) {
  return typeof value === "number" ? number(value) : String(value);
}

// Values -> pixels. kind: "linear", "log", or "root" (distances are squares).
const BENDS = {
  linear: [(v) => v, (u) => u],
  log: [Math.log10, (u) => 10 ** u],
  root: [(v) => Math.sqrt(Math.max(v, 0)), (u) => u * u],
};
function scale([low, high], [from, to], kind = "linear") {
  const [bend, straighten] = BENDS[kind];
  const a = bend(low), b = bend(high) === a ? a + 1 : bend(high);
  const at = (value) => from + ((bend(value) - a) / (b - a)) * (to - from);
  at.value = (pixel) => straighten(a + ((pixel - from) / (to - from)) * (b - a));
  at.ticks = (n) => ticks(low, high, n, kind);
  return at;
}

// Round values from low to high, about n of them.
function ticks(low, high, n, kind) {
  if (kind === "root") {
    const roots = ticks(Math.sqrt(Math.max(low, 0)), Math.sqrt(high), n, "linear");
    return roots.map((root) => root * root);
  }
  if (kind === "log") {
    const decades = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high) + 1e-9; e++) {
      for (const m of Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5]) decades.push(m * 10 ** e);
    }
    return decades.filter((v) => v >= low * 0.999 && v <= high * 1.001);
  }
  const raw = (high - low) / Math.max(n, 1) || 1, unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * ([1, 2, 5].find((m) => m * unit >= raw) || 10);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) found.push(Math.round(v / step) * step);
  return found;
}

function path(points) {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");
}

// Draws now and whenever the width changes; draw(svg, width) gives the height.
function chart(id, draw) {
  const host = document.getElementById(id);
  if (!host) return;
  let last = 0;
  const redraw = () => {
    const width = Math.round(host.clientWidth);
    if (!width || width === last) return;
    last = width;
    const svg = make("svg");
    const height = draw(svg, width);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    host.replaceChildren(svg);
  };
  redraw();
  new ResizeObserver(redraw).observe(host);
}

// Axes with ticks and titles, in the box {left, right, top, bottom} of pixels.
function axes(svg, box, x, y, titles, points) {
  for (const value of y.ticks(5)) {
    svg.append(make("line", { class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }));
    svg.append(make("text", { x: box.left - 6, y: y(value) + 4, "text-anchor": "end" }, number(value)));
  }
  for (const value of points || x.ticks(Math.max(2, (box.right - box.left) / 90))) {
    svg.append(make("line", { class: "axis", x1: x(value), x2: x(value), y1: box.bottom, y2: box.bottom + 4 }));
    svg.append(make("text", { x: x(value), y: box.bottom + 16, "text-anchor": "middle" }, number(value)));
  }
  svg.append(make("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  svg.append(make("text", { class: "title", x: (box.left + box.right) / 2, y: box.bottom + 33, "text-anchor": "middle" }, titles[0]));
  svg.append(make("text", { class: "title", x: 0, y: 11 }, titles[1]));
}

const tip = {
  node: document.getElementById("tip"),
  show(text, x, y) {
    this.node.textContent = text;
    this.node.hidden = false;
    const box = this.node.getBoundingClientRect();
    this.node.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 8))}px`;
    this.node.style.top = `${y + 18 + box.height > innerHeight ? y - box.height - 10 : y + 18}px`;
  },
  hide() {
    this.node.hidden = true;
  },
  // The words appear while the pointer is over the mark.
  on(mark, words) {
    mark.addEventListener("pointermove", (event) => this.show(words(event), event.clientX, event.clientY));
    mark.addEventListener("pointerleave", () => this.hide());
  },
};
