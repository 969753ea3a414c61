// The path explorer: one curve f(alpha), its envelope, chords and gaps, and how it changes over steps.

const OTHER_COLOURS = ["#D55E00", "#009E73"]; // of other paths between the same two models

const chosen = { cell: 0, step: 0, pair: 0 };
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
let playing = null; // what stops the slider's play
let animation = 0; // the newest animation; older ones end
let named = null; // the cell whose pairs the switch names

/** A path's measured points on a set: [{alpha, value, low, high}]. */
function pointsOf(path, set, quantity) {
  const curve = path.sets[set];
  const band = curve.band[quantity];
  return path.alpha.map((alpha, i) => {
    const value = curve[quantity][i] * UNIT.curve;
    const reach = band ? { low: value - band[0][i] * UNIT.band, high: value + band[1][i] * UNIT.band } : {};
    return { alpha: alpha * UNIT.alpha, value, ...reach };
  });
}

/** The vertices of the lower convex envelope, by a monotone chain. */
function envelope(points) {
  const hull = [];
  for (const p of points) {
    while (hull.length > 1) {
      const [a, b] = hull.slice(-2);
      const under = (b.value - a.value) * (p.alpha - a.alpha) < (p.value - a.value) * (b.alpha - a.alpha);
      if (under) break;
      hull.pop();
    }
    hull.push(p);
  }
  return hull;
}

/** The curve at an alpha, linear between measured points. */
function at(points, alpha) {
  const after = points.findIndex((p) => p.alpha >= alpha - 1e-9);
  if (after <= 0) return points[Math.max(after, 0)].value;
  const [a, b] = [points[after - 1], points[after]];
  return a.value + ((b.value - a.value) * (alpha - a.alpha)) / (b.alpha - a.alpha);
}

function gapOf(path, set, quantity, metric) {
  const row = path.sets[set].gaps[quantity]?.[metric];
  return row ? Object.fromEntries(GAP.map((name, i) => [name, row[i]])) : null;
}

/** The chord of a gap and the gap itself, as two traces. */
function chordTraces(points, gap, name, dash, colour) {
  if (!gap || !(gap.value > data.floor) || !known(gap.alpha)) return [];
  const ends = [gap.chord_low, gap.chord_high].map((alpha) => ({ alpha, value: at(points, alpha) }));
  const chord = at(ends, gap.alpha), top = at(points, gap.alpha);
  const rise = `${name} ${number(gap.value)}${interval(gap.low, gap.high)}`;
  return [
    { x: ends.map((e) => e.alpha), y: ends.map((e) => e.value), mode: "lines", line: { dash, color: colour, width: 1.8 }, name: `chord of ${name}`, hoverinfo: "skip" },
    { x: [gap.alpha, gap.alpha], y: [chord, top], mode: "lines+markers", marker: { symbol: "line-ew-open", size: 9, color: colour, line: { width: 2.5 } }, line: { color: colour, width: 3 }, showlegend: false, name: rise, hovertemplate: `${rise}<br>at α = ${number(gap.alpha)}<extra></extra>` },
  ];
}

function bandTrace(points, colour) {
  if (!points.every((p) => known(p.low))) return [];
  const back = [...points].reverse();
  return [{
    x: [...points, ...back].map((p) => p.alpha), y: [...points.map((p) => p.low), ...back.map((p) => p.high)],
    fill: "toself", fillcolor: shade(colour, 0.16), line: { width: 0 }, mode: "lines", hoverinfo: "skip", showlegend: false,
  }];
}

function curveTrace(points, name, colour, dots = true) {
  return {
    x: points.map((p) => p.alpha), y: points.map((p) => p.value), name, mode: dots ? "lines+markers" : "lines",
    line: { color: shade(colour), width: 2.2 }, marker: { size: 6, color: shade(colour) },
    customdata: points.map((p) => `${number(p.value)}${interval(p.low, p.high)}`),
    hovertemplate: `${name}: %{customdata}<br>α = %{x:.5~f}<extra></extra>`,
  };
}

function pathTraces(path, view) {
  const others = view.all ? view.sets.filter((set) => set !== view.set && path.sets[set]) : [];
  const points = pointsOf(path, view.set, view.quantity);
  const hull = envelope(points);
  const [gap, barrier] = ["CG", "BH"].map((metric) => gapOf(path, view.set, view.quantity, metric));
  const colour = (set) => SET_COLOURS[view.sets.indexOf(set) % SET_COLOURS.length];
  return [
    ...bandTrace(points, colour(view.set)),
    ...others.flatMap((set) => [...bandTrace(pointsOf(path, set, view.quantity), colour(set)), curveTrace(pointsOf(path, set, view.quantity), plain(set), colour(set))]),
    { x: hull.map((p) => p.alpha), y: hull.map((p) => p.value), mode: "lines", line: { dash: "dot", color: css("--soft"), width: 2 }, name: "envelope", hoverinfo: "skip" },
    curveTrace(points, plain(view.set), colour(view.set)),
    ...othersOf(path, view).flatMap(([name, other], i) => otherTraces(name, other, view, OTHER_COLOURS[i % OTHER_COLOURS.length])),
    ...chordTraces(points, barrier, "BH", "dashdot", css("--soft")),
    ...chordTraces(points, gap, "CG", "dash", css("--ink")),
  ];
}

/** The other paths between the two models that are measured on a set, by name: curves. */
const othersOf = (path, view) => Object.entries(path.others ?? {}).filter(([, other]) => other.sets[view.set]);

function otherTraces(name, other, view, colour) {
  const points = pointsOf(other, view.set, view.quantity);
  return [...bandTrace(points, colour), { ...curveTrace(points, plain(name), colour), line: { color: colour, width: 2.2, dash: "longdash" } }];
}

function pathView() {
  const cell = data.cells[chosen.cell];
  return {
    cell, step: cell.steps[chosen.step], pair: chosen.pair, quantity: $("path-quantity").value,
    set: $("path-set").value, all: $("path-all").checked, sets: setsOf([cell]),
  };
}

/** One scale for all steps of a pair, so that the slider shows what changes. */
function pathRange(curves, view) {
  const sets = view.all ? view.sets : [view.set];
  const values = Object.values(curves).flatMap((pairs) => {
    const path = pairs[view.pair];
    if (!path) return [];
    const others = othersOf(path, view).flatMap(([, other]) => pointsOf(other, view.set, view.quantity));
    return [...others, ...sets.filter((set) => path.sets[set]).flatMap((set) => pointsOf(path, set, view.quantity))];
  }).flatMap((p) => [p.value, p.low ?? p.value, p.high ?? p.value]);
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const margin = 0.05 * (high - low) || 0.05;
  return [low - margin, high + margin];
}

const pathLayout = (range, view) => ({
  xaxis: axis("α", { range: [-0.02, 1.02], zeroline: false }), hovermode: "closest",
  yaxis: axis(`${view.set} ${QUANTITY[view.quantity]}`, { range, zeroline: false }),
});

function pathWords(path, view) {
  const where = `${view.cell.model} on ${view.cell.dataset}, step ${thousands(view.step)}, seeds ${pairName(view.pair, view.cell)}`;
  if (!path?.sets[view.set]) return `No path was measured here: ${where}, set ${view.set}.`;
  const points = pointsOf(path, view.set, view.quantity);
  const [gap, barrier] = ["CG", "BH"].map((metric) => gapOf(path, view.set, view.quantity, metric));
  return `${view.set} ${QUANTITY[view.quantity]} on the path between the seeds of ${where}: ${number(points[0].value)} at α = 0, ` +
    `${number(points.at(-1).value)} at α = 1, ${number(Math.max(...points.map((p) => p.value)))} at most. CG ${number(gap?.value)}, BH ${number(barrier?.value)}.` +
    othersOf(path, view).map(([name, other]) => ` On the ${name} path CG is ${number(gapOf(other, view.set, view.quantity, "CG")?.value)}.`).join("");
}

function showValues(path, view) {
  const lines = [];
  for (const metric of path?.sets[view.set] ? ["CG", "BH"] : []) {
    const gap = gapOf(path, view.set, view.quantity, metric);
    if (!gap) continue;
    lines.push([metric, `${number(gap.value)}${interval(gap.low, gap.high)}`]);
    if (gap.value > data.floor) lines.push(["", `at α = ${number(gap.alpha)}, chord from ${number(gap.chord_low)} to ${number(gap.chord_high)}`]);
    if (known(gap.error)) lines.push(["", `up to ${number(gap.error)} more between alphas (estimated)`]);
    if (metric === "CG") lines.push(["measured", `${gap.alphas} alphas, ${thousands(path.sets[view.set].n)} units`]);
  }
  for (const [name, other] of path?.sets[view.set] ? othersOf(path, view) : []) {
    const gap = gapOf(other, view.set, view.quantity, "CG");
    if (gap) lines.push([`CG, ${name}`, `${number(gap.value)}${interval(gap.low, gap.high)}`]);
  }
  const ends = view.cell.ends;
  for (const [name, text] of [["distance", "distance"], ["cosine", "cosine of updates"], [`disagreement_${view.set}`, "ends disagree on"]]) {
    const value = ends[name]?.[chosen.step]?.[view.pair];
    if (known(value)) lines.push([text, number(value, 3)]);
  }
  $("path-values").replaceChildren(...lines.flatMap(([name, value]) => {
    const [term, said] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, said.textContent] = [name, value];
    return [term, said];
  }));
}

/** Move from one curve to another in a third of a second; `t` runs from 0 to 1. */
function animate(frame, done) {
  const mine = ++animation, start = performance.now();
  const tick = (now) => {
    if (mine !== animation) return;
    const t = Math.min(1, Math.max(0, (now - start) / 330));
    if (t >= 1) return done();
    frame(t * t * (3 - 2 * t));
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

async function drawPath(previousStep) {
  const view = pathView();
  const curves = await curvesOf(chosen.cell);
  const path = curves[view.step]?.[view.pair];
  const there = Boolean(path?.sets[view.set]);
  const words = pathWords(path, view);
  $("path-step-name").textContent = thousands(view.step);
  $("path-step").setAttribute("aria-valuetext", `step ${thousands(view.step)}`);
  showValues(path, view);
  drawPathMap(view);
  const layout = there ? pathLayout(pathRange(curves, view), view) : {};
  const finish = () => draw("path-chart", there ? pathTraces(path, view) : [], layout, words);
  const before = curves[previousStep]?.[view.pair];
  if (!there || !before?.sets[view.set] || calm()) {
    animation++;
    return finish();
  }
  const [from, to] = [before, path].map((p) => pointsOf(p, view.set, view.quantity));
  const grid = [...new Set([...from, ...to].map((p) => p.alpha))].sort((a, b) => a - b);
  animate((t) => {
    const points = grid.map((alpha) => ({ alpha, value: (1 - t) * at(from, alpha) + t * at(to, alpha) }));
    const colour = SET_COLOURS[view.sets.indexOf(view.set) % SET_COLOURS.length];
    draw("path-chart", [curveTrace(points, plain(view.set), colour, false)], { ...layout, showlegend: true }, words);
  }, finish);
}

function drawPathMap(view) {
  $("path-map-figure").hidden = PAIRS.length < 2;
  if (PAIRS.length < 2) return;
  drawMap("path-map", view.cell, chosen.step, view.set, view.quantity, null, view.pair);
}

// ------------------------------------------------------------------------------------------- choosing

/** Fill the switches that depend on the cell, and show what is chosen. */
function syncPath() {
  const cell = data.cells[chosen.cell];
  $("path-dataset").value = cell.dataset;
  fill($("path-model"), same(cellsOn(cell.dataset).map((c) => c.model)));
  $("path-model").value = cell.model;
  fill($("path-set"), same(setsOf([cell])), "test");
  if (named !== cell) fill($("path-pair"), PAIRS.map((_, i) => [i, pairName(i, cell)]));
  named = cell;
  $("path-pair").value = String(chosen.pair);
  chosen.step = Math.min(chosen.step, cell.steps.length - 1);
  $("path-step").max = cell.steps.length - 1;
  $("path-step").value = chosen.step;
  $("path-play").disabled = cell.steps.length < 2;
  $("path-steps").replaceChildren(...cell.steps.map((step, i) => new Option(thousands(step), i)));
}

/** Show a path; called by the maps of pairs too. */
function showPath(cell, step, pair, previousStep) {
  Object.assign(chosen, { cell, step, pair });
  syncPath();
  return drawPath(previousStep);
}

function toStep(step) {
  const before = data.cells[chosen.cell].steps[chosen.step];
  return showPath(chosen.cell, step, chosen.pair, before);
}

function stopPlaying() {
  clearInterval(playing);
  playing = null;
  $("path-play").textContent = "Play";
}

function play() {
  if (playing) return stopPlaying();
  $("path-play").textContent = "Pause";
  const last = data.cells[chosen.cell].steps.length - 1;
  toStep(chosen.step >= last ? 0 : chosen.step + 1);
  playing = setInterval(() => (chosen.step < last ? toStep(chosen.step + 1) : stopPlaying()), 900);
}

function startExplorer() {
  fill($("path-dataset"), same(datasets));
  fill($("path-quantity"), Object.entries(QUANTITY), "loss");
  const measured = (cell) => Object.keys(cell.stats).length > 0;
  chosen.cell = Math.max(0, data.cells.findIndex(measured));
  const gaps = Object.values(data.cells[chosen.cell].gaps)[0]?.loss ?? [];
  chosen.step = Math.max(0, gaps.findLastIndex(known));
  chosen.pair = Math.max(0, gaps[chosen.step]?.findIndex(known) ?? 0);
  syncPath();
  const pick = (dataset, model) => {
    stopPlaying();
    const found = cellOf(dataset, model);
    showPath(found >= 0 ? found : data.cells.findIndex((c) => c.dataset === dataset), chosen.step, chosen.pair);
  };
  $("path-dataset").addEventListener("change", () => pick($("path-dataset").value, $("path-model").value));
  $("path-model").addEventListener("change", () => pick($("path-dataset").value, $("path-model").value));
  $("path-pair").addEventListener("change", () => showPath(chosen.cell, chosen.step, Number($("path-pair").value)));
  onChange(["path-quantity", "path-set", "path-all"], () => drawPath());
  $("path-step").addEventListener("input", () => { stopPlaying(); toStep(Number($("path-step").value)); });
  $("path-play").addEventListener("click", play);
  views.set("explorer", () => drawPath());
}
