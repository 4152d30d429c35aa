"use strict";

// Rows of the drawing are this high, in pixels; its letters all have the same width.
const ROW = 19;
const FONT = '12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

// Hue, how far modules may differ from it, and saturation of each kind of frame.
const KINDS = {
  native: [30, 16, 78], kernel: [352, 8, 66], jit: [128, 14, 42], python: [208, 14, 62],
  java: [172, 12, 48], js: [56, 7, 76], inlined: [276, 14, 50], unknown: [34, 20, 60],
};

// Nodes stand in preorder; give each its caller, the end of what it calls, and its left side.
function layout(data) {
  const count = data.depth.length;
  const parent = new Int32Array(count), end = new Int32Array(count);
  const left = new Float64Array(count), next = new Float64Array(count);
  const open = [];
  let deepest = 0;
  for (let i = 0; i < count; i++) {
    while (open.length && data.depth[open[open.length - 1]] >= data.depth[i]) end[open.pop()] = i;
    const up = open.length ? open[open.length - 1] : -1;
    parent[i] = up;
    left[i] = next[i] = up < 0 ? 0 : next[up];
    if (up >= 0) next[up] += data.value[i];
    open.push(i);
    deepest = Math.max(deepest, data.depth[i]);
  }
  for (const i of open) end[i] = count;
  return { parent, end, left, deepest };
}

// What share of the whole the matching frames took; one inside another counts once.
function search(data, tree, text) {
  const wanted = text.toLowerCase();
  const places = data.places.map((each) => wanted !== "" && each[0].toLowerCase().includes(wanted));
  let sum = 0, after = 0;
  for (let i = 0; i < data.place.length; i++) {
    if (i >= after && places[data.place[i]]) {
      sum += data.value[i];
      after = tree.end[i];
    }
  }
  return { places, functions: places.filter(Boolean).length, share: sum / data.value[0] };
}

function human(value, unit) {
  const units = {
    nanoseconds: [[60e9, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]],
    bytes: [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]],
  }[unit] || [];
  for (const [size, name] of units) {
    if (value >= size || size === 1) return `${+(value / size).toPrecision(3)} ${name}`;
  }
  return value.toLocaleString("en") + (unit === "count" ? "" : ` ${unit}`);
}

const percent = (share) => `${(100 * share).toFixed(2)} %`;
const points = (share) => `${share < 0 ? "−" : "+"}${(100 * Math.abs(share)).toFixed(2)} points`;

function describe(data, tree, i) {
  const [name, file, lines, mapping, kind] = data.places[data.place[i]];
  const up = tree.parent[i];
  const whole = data.value[0];
  const rows = [name];
  if (file) rows.push(lines ? `${file}:${lines}` : file);
  if (mapping || kind !== "unknown") rows.push([mapping, kind].filter(Boolean).join(" · "));
  const seen = data.samples ? ` · ${data.samples[i].toLocaleString("en")} samples` : "";
  rows.push(`${human(data.value[i], data.unit)} · ${percent(data.value[i] / whole)} of total` +
    (up > 0 ? ` · ${percent(data.value[i] / data.value[up])} of caller` : "") + seen);
  if (data.base) {
    const before = data.base[i] / data.base[0];
    rows.push(`baseline ${human(data.base[i], data.unit)} · ${percent(before)} of its total · ` +
      `change ${points(data.value[i] / whole - before)}`);
  }
  return rows;
}

function colour(data, i, dark) {
  if (data.base) {
    const change = data.value[i] / data.value[0] - data.base[i] / data.base[0];
    // By the square root, so that small changes can be told from none.
    const strength = Math.sqrt(Math.min(Math.abs(change) / data.scale, 1));
    const lightness = dark ? 24 + 22 * strength : 94 - 30 * strength;
    return `hsl(${change > 0 ? 6 : 216} ${Math.round(82 * strength)}% ${lightness}%)`;
  }
  const each = data.places[data.place[i]];
  if (i === 0) return dark ? "hsl(40 4% 30%)" : "hsl(40 10% 84%)";
  const [hue, spread, saturation] = KINDS[each[4]] || KINDS.unknown;
  const shade = each[5] / 255 - 0.5;
  const lightness = (dark ? 29 : 75) + 10 * ((each[5] * 7 % 256) / 255 - 0.5);
  return `hsl(${hue + 2 * spread * shade} ${dark ? saturation * 0.72 : saturation}% ${lightness}%)`;
}

function start(data) {
  const byId = (id) => document.getElementById(id);
  const tree = layout(data);
  const chart = byId("chart"), canvas = byId("canvas"), spacer = byId("spacer");
  const tip = byId("tip"), about = byId("about"), trail = byId("trail"), field = byId("search");
  const pen = canvas.getContext("2d");
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  let zoom = 0, focus = 0, flipped = false, found = search(data, tree, ""), letter = 7;

  const width = () => chart.clientWidth;
  const height = () => (tree.deepest + 1) * ROW;
  const top = (i) => (flipped ? height() - (data.depth[i] + 1) * ROW : data.depth[i] * ROW);
  const isAbove = (i) => i <= zoom && zoom < tree.end[i];

  // Where a frame is drawn, or null where it is not: callers of the zoomed frame fill the row.
  function box(i) {
    if (isAbove(i)) return [0, width()];
    if (i < zoom || i >= tree.end[zoom]) return null;
    const scale = width() / data.value[zoom];
    return [(tree.left[i] - tree.left[zoom]) * scale, data.value[i] * scale];
  }

  function paint(i, x, wide, y, dark) {
    const searching = field.value !== "";
    const hit = found.places[data.place[i]];
    pen.globalAlpha = (searching && !hit) || (isAbove(i) && i !== zoom) ? 0.45 : 1;
    pen.fillStyle = searching && hit ? (dark ? "#8b2fb8" : "#e58cff") : colour(data, i, dark);
    const gap = wide > 3 ? 1 : 0;
    pen.fillRect(x, y, Math.max(wide - gap, 0.5), ROW - 1);
    pen.globalAlpha = 1;
    const room = Math.floor((wide - 8) / letter);
    if (room >= 3) {
      const letters = Array.from(data.places[data.place[i]][0]);
      pen.fillStyle = dark ? "#f4f2ee" : "#1a1916";
      pen.fillText(letters.length > room ? letters.slice(0, room - 1).join("") + "…"
        : letters.join(""), x + 4, y + ROW - 6, wide - 6);
    }
    if (i === focus && document.activeElement === canvas) {
      pen.strokeStyle = dark ? "#ffffff" : "#000000";
      pen.lineWidth = 2;
      pen.strokeRect(x + 1, y + 1, Math.max(wide - 3, 1), ROW - 3);
    }
  }

  function draw() {
    spacer.style.height = `${height()}px`;
    const high = Math.min(height(), chart.clientHeight || height());
    const ratio = window.devicePixelRatio || 1;
    spacer.style.marginTop = `-${high}px`;
    canvas.width = width() * ratio;
    canvas.height = high * ratio;
    canvas.style.width = `${width()}px`;
    canvas.style.height = `${high}px`;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = FONT;
    pen.direction = "ltr";
    letter = pen.measureText("mmmmmmmmmm").width / 10;
    const dark = darkness.matches;
    for (let i = 0; i < data.place.length; i++) {
      const y = top(i) - chart.scrollTop;
      if (y <= -ROW || y >= high) continue;
      const at = box(i);
      if (at && at[1] >= 0.2) paint(i, at[0], at[1], y, dark);
    }
  }

  function pick(event) {
    const area = canvas.getBoundingClientRect();
    const x = event.clientX - area.left, y = event.clientY - area.top + chart.scrollTop;
    for (let i = 0; i < data.place.length; i++) {
      if (top(i) > y || y >= top(i) + ROW) continue;
      const at = box(i);
      if (at && at[0] <= x && x < at[0] + Math.max(at[1], 1)) return i;
    }
    return -1;
  }

  function tell(i) {
    about.textContent = describe(data, tree, i).join(" — ");
  }

  function showTip(i, event) {
    tip.hidden = i < 0;
    if (i < 0) return;
    tip.replaceChildren(...describe(data, tree, i).map((text, row) => {
      const part = document.createElement(row ? "span" : "b");
      part.textContent = text;
      return part;
    }));
    const right = event.clientX + 14 + tip.offsetWidth > innerWidth;
    const low = event.clientY + 18 + tip.offsetHeight > innerHeight;
    tip.style.left = `${Math.max(right ? event.clientX - tip.offsetWidth - 10 : event.clientX + 14, 4)}px`;
    tip.style.top = `${low ? event.clientY - tip.offsetHeight - 10 : event.clientY + 18}px`;
  }

  function crumbs() {
    const path = [];
    for (let i = zoom; i >= 0; i = tree.parent[i]) path.unshift(i);
    trail.replaceChildren(...path.map((i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = data.places[data.place[i]][0];
      if (i === zoom) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => zoomTo(i));
      return button;
    }));
    byId("reset").disabled = zoom === 0;
  }

  function zoomTo(i) {
    zoom = focus = i;
    crumbs();
    reveal(i);
    tell(i);
    draw();
  }

  function reveal(i) {
    const y = top(i);
    if (y < chart.scrollTop) chart.scrollTop = y;
    if (y + ROW > chart.scrollTop + chart.clientHeight) chart.scrollTop = y + ROW - chart.clientHeight;
  }

  function find(text) {
    found = search(data, tree, text);
    byId("found").textContent = text === "" ? "" :
      `${percent(found.share)} in ${found.functions.toLocaleString("en")} matching functions`;
    draw();
  }

  function step(key) {
    const up = tree.parent[focus];
    if (key === (flipped ? "ArrowDown" : "ArrowUp")) return up < 0 ? focus : up;
    if (key === (flipped ? "ArrowUp" : "ArrowDown")) {
      if (isAbove(focus) && focus !== zoom) {
        let below = zoom;
        while (tree.parent[below] !== focus) below = tree.parent[below];
        return below;
      }
      return focus + 1 < tree.end[focus] ? focus + 1 : focus;
    }
    if (isAbove(focus)) return focus;
    if (key === "ArrowRight") return tree.end[focus] < tree.end[up] ? tree.end[focus] : focus;
    let before = up + 1;
    while (before < focus && tree.end[before] < focus) before = tree.end[before];
    return before;
  }

  function press(event) {
    if (event.key.startsWith("Arrow")) focus = step(event.key);
    else if (event.key === "Home") focus = zoom;
    else if (event.key === "Enter" || event.key === " ") return event.preventDefault(), zoomTo(focus);
    else if (event.key === "Escape") return zoomTo(zoom === focus ? Math.max(tree.parent[zoom], 0) : zoom);
    else return undefined;
    event.preventDefault();
    reveal(focus);
    tell(focus);
    return draw();
  }

  canvas.addEventListener("mousemove", (event) => showTip(pick(event), event));
  canvas.addEventListener("mouseleave", () => { tip.hidden = true; });
  canvas.addEventListener("click", (event) => { const i = pick(event); if (i >= 0) zoomTo(i); });
  canvas.addEventListener("keydown", press);
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);
  chart.addEventListener("scroll", draw);
  field.addEventListener("input", () => find(field.value));
  byId("reset").addEventListener("click", () => zoomTo(0));
  byId("flip").addEventListener("click", () => {
    flipped = !flipped;
    byId("flip").setAttribute("aria-pressed", String(flipped));
    draw();
    chart.scrollTop = flipped ? height() : 0;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== field) event.preventDefault(), field.focus();
    if (event.key === "Escape" && document.activeElement === field) field.value = "", find("");
  });
  for (const button of document.querySelectorAll("td button")) {
    button.addEventListener("click", () => { field.value = button.textContent; find(field.value); scrollTo(0, 0); });
  }
  for (const swatch of document.querySelectorAll("[data-kind]")) {
    const paintSwatch = () => {
      const [hue, , saturation] = KINDS[swatch.dataset.kind];
      const dark = darkness.matches;
      swatch.style.background = `hsl(${hue} ${dark ? saturation * 0.72 : saturation}% ${dark ? 29 : 75}%)`;
    };
    paintSwatch();
    darkness.addEventListener("change", paintSwatch);
  }
  darkness.addEventListener("change", draw);
  new ResizeObserver(draw).observe(chart);
  crumbs();
  draw();
}

if (typeof module !== "undefined") module.exports = { layout, search, human, describe, colour };
if (typeof document !== "undefined") start(JSON.parse(document.getElementById("data").textContent));
