// The data, how numbers and names are written, and the one door to the plotting library.
"use strict";

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const GAP = ["value", "low", "high", "alpha", "chord_low", "chord_high", "error", "alphas"];
const UNIT = { alpha: 1e-6, curve: 1e-5, band: 1e-4 };
const SET_COLOURS = ["#332288", "#CC6677", "#117733", "#AA4499", "#999933", "#44AA99"];
const PAIRS = data.seeds.flatMap((_, i) => data.seeds.slice(i + 1).map((_, j) => [i, i + 1 + j]));
const QUANTITY = { loss: "loss (nats)", error: "error rate" };

const cellOf = (dataset, model) => data.cells.findIndex((c) => c.dataset === dataset && c.model === model);
const cellsOn = (dataset) => data.cells.filter((c) => c.dataset === dataset);
const datasets = [...new Set(data.cells.map((c) => c.dataset))];
const setsOf = (cells) => [...new Set(cells.flatMap((c) => Object.keys(c.stats)))];
// A path begins at the seed that is named first; cells may list their runs in other orders.
const pairName = (pair, cell) => (cell.turned.includes(pair) ? [...PAIRS[pair]].reverse() : PAIRS[pair]).map((i) => data.seeds[i]).join(" and ");
const thousands = (step) => step.toLocaleString("en-US");
const known = (value) => value !== null && value !== undefined;
// The library reads a little HTML in its texts; names are shown as they are.
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** A number as the tables write it: fixed digits, 0 under the floor, a dash where there is none. */
function number(value, digits = 4) {
  if (!known(value)) return "–";
  if (Math.abs(value) < data.floor) return "0";
  const text = Math.abs(value) >= 0.5 * 10 ** -digits ? value.toFixed(digits) : value.toExponential(0);
  return text.replace("-", "−");
}

function interval(low, high, digits = 4) {
  return known(low) && known(high) ? ` [${number(low, digits)}, ${number(high, digits)}]` : "";
}

/** Text that was compressed when the page was made. */
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

const opened = new Map(); // what the page's packed blocks hold, or what will be it

/** What a block holds, at once where it is open, else a promise; nothing where there is no such block. */
function blockOf(id) {
  if (!opened.has(id)) {
    const found = $(id) ? unpack($(id).textContent).then(JSON.parse) : Promise.resolve({});
    opened.set(id, found.then((content) => { opened.set(id, content); return content; }));
  }
  return opened.get(id);
}

/** The curves of a cell: {step: {pair: path}}. */
const curvesOf = (place) => blockOf(`curves-${place}`);

// ------------------------------------------------------------------------------------------- switches

/** Put [value, text] options into a select; what was chosen stays chosen where it still can be. */
function fill(select, options, preferred) {
  const before = select.value || preferred;
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  const values = options.map(([value]) => String(value));
  select.value = [before, preferred, values[0]].map(String).find((value) => values.includes(value)) ?? "";
  select.disabled = options.length < 2;
}

const same = (names) => names.map((name) => [name, name]);

/** Draw now, and again at each change of these switches. */
function onChange(ids, draw) {
  for (const id of ids) $(id).addEventListener("change", draw);
}

// ------------------------------------------------------------------------------------------- drawing

const views = new Map(); // what draws each section
const stale = new Set(); // sections that are to be drawn when they come into sight

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dark = () => !document.documentElement.classList.contains("paper") && matchMedia("(prefers-color-scheme: dark)").matches;

const channelsOf = (colour) => [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));

/** The relative luminance of a colour, and the contrast of two (WCAG 2.2). */
const luminance = (channels) => channels.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
function contrast(a, b) {
  const [light, deep] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (deep + 0.05);
}

const legible = new Map();

/** A colour that can be read on the page's ground: 4.5 : 1, by going towards black or white as far as need be. */
function readable(colour) {
  const key = `${colour} ${dark()}`;
  if (!legible.has(key)) {
    const own = channelsOf(colour), ground = channelsOf(css("--ground")), to = dark() ? 255 : 0;
    const at = (share) => own.map((c) => Math.round(c + share * (to - c)));
    let share = 0;
    while (share < 1 && contrast(at(share), ground) < 4.5) share += 0.02;
    legible.set(key, at(share));
  }
  return legible.get(key);
}

/** A series' colour as it can be read here, see-through where `alpha` says so. */
const shade = (colour, alpha = 1) => `rgba(${readable(colour).join(",")},${alpha})`;

const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const scaleOf = (stops) => stops.map((colour, i) => [i / (stops.length - 1), colour]);

/** The colour of a share of a scale, as the library's colour bar has it. */
function onScale(stops, share) {
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1), left = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = stops.slice(left, left + 2).map(channelsOf);
  return from.map((c, i) => Math.round(c + (place - left) * (to[i] - c)));
}

function axis(title, more = {}) {
  return {
    title: { text: plain(title), standoff: 8 }, gridcolor: css("--grid"), zerolinecolor: css("--grid"),
    linecolor: css("--strong"), automargin: true, exponentformat: "e", ...more,
  };
}

function layoutOf(changes) {
  return {
    font: { family: "system-ui, sans-serif", size: 13, color: css("--text") },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 60, r: 16, t: 34, b: 48 },
    hoverlabel: { bgcolor: css("--card"), bordercolor: css("--strong"), font: { color: css("--text") }, namelength: -1 },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12.5 } },
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    ...changes,
  };
}

const CONFIG = { responsive: true, displaylogo: false, modeBarButtons: [["resetScale2d"]] };

/** Draw a chart, with what it shows in words as its text alternative. */
function draw(id, traces, layout, words) {
  const place = $(id);
  place.querySelector(".empty")?.remove();
  if (!place.hasAttribute("role")) place.setAttribute("role", "img");
  place.setAttribute("aria-label", words);
  if ($(`${id}-words`)) $(`${id}-words`).textContent = words;
  for (const button of document.querySelectorAll(`[id^="${id}-"].saves`)) button.disabled = !traces.length;
  if (traces.length) return Plotly.react(place, traces, layoutOf(layout), CONFIG);
  Plotly.purge(place);
  delete place.listening;
  const empty = document.createElement("p");
  empty.className = "empty";
  empty.textContent = words;
  place.replaceChildren(empty);
}

/** The ends of intervals of points, as a trace keeps them for its CSV file. */
const reach = (points) => ({ low: points.map((p) => p.low), high: points.map((p) => p.high) });

/** Say in place of a chart that there is nothing to be drawn, and why. */
const nothing = (id, words) => draw(id, [], {}, words);

/** Call when a mark is clicked; once a chart, since a chart keeps what listens to it. */
function onClick(id, act) {
  const place = $(id);
  if (place.listening) return;
  place.listening = true;
  place.on("plotly_click", (event) => act(event.points[0]));
}
