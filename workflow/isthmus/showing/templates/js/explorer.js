// The path explorer: one curve f(alpha), its envelope, chords and gaps, and how it changes over steps.

const OTHER_COLOURS = ["#D55E00", "#009E73"]; // of other paths between the same two models

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
let playing = null; // what stops the slider's play
let animation = 0; // the newest animation; older ones end

/** A path's measured points on a set: [{alpha, value, low, high}]. */
function pointsOf(path, set, quantity) {
  const curve = path.sets[set];
  const band = curve.band[quantity];
  return path.alpha.map((alpha, i) => {
    const value = curve[quantity][i] * UNIT.curve;
    const around = band ? { low: value - band[0][i] * UNIT.band, high: value + band[1][i] * UNIT.band } : {};
    return { alpha: alpha * UNIT.alpha, value, ...around };
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

/** The rise of a gap in words, and where it is; null where there is none to be drawn. */
function labelOf(points, gap, name) {
  if (!gap || !(gap.value > data.floor) || !known(gap.alpha)) return null;
  const left = gap.alpha < 0.55, narrow = $("path-chart").clientWidth < 560;
  return {
    x: gap.alpha, y: at(points, gap.alpha), text: `<b>${name} ${number(gap.value, 3)}</b>${narrow ? "" : interval(gap.low, gap.high, 3)}`, showarrow: true, arrowhead: 0, arrowwidth: 1, arrowcolor: css("--soft"),
    ax: left ? 24 : -24, ay: -26, xanchor: left ? "left" : "right", font: { size: 13, color: css("--ink") }, bgcolor: css("--ground"), borderpad: 2,
  };
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
    line: { color: shade(colour), width: 2.2 }, marker: { size: 6, color: shade(colour) }, meta: reach(points),
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
  return [...bandTrace(points, colour), { ...curveTrace(points, plain(name), colour), line: { color: shade(colour), width: 2.2, dash: "longdash" } }];
}

function pathView() {
  const cell = chosenCell();
  return { cell, step: cell.steps[stepIn(cell.steps)], pair: state.pair, quantity: state.quantity, set: state.set, all: $("path-all").checked, sets: setsOf([cell]) };
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
  return [low - margin, high + 3 * margin]; // with room for a label
}

function pathLayout(range, view, path) {
  const label = path && labelOf(pointsOf(path, view.set, view.quantity), gapOf(path, view.set, view.quantity, "CG"), "CG");
  return {
    xaxis: axis("α", { range: [-0.02, 1.02], zeroline: false }), hovermode: "closest", annotations: label ? [label] : [],
    yaxis: axis(view.all && view.sets.length > 1 ? `${QUANTITY[view.quantity]}, all sets` : `${view.set} ${QUANTITY[view.quantity]}`, { range, zeroline: false }),
  };
}

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
  const ends = view.cell.ends, place = view.cell.steps.indexOf(view.step);
  for (const [name, text] of [["distance", "distance"], ["cosine", "cosine of updates"], [`disagreement_${view.set}`, "ends disagree on"]]) {
    const value = ends[name]?.[place]?.[view.pair];
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

/** Draw the path that is chosen; from that of a step before it in a short movement, where one is given. */
function drawPath(previousStep) {
  const curves = curvesOf(data.cells.indexOf(chosenCell()));
  return curves instanceof Promise ? curves.then(() => drawPath(previousStep)) : drawCurves(curves, previousStep);
}

function drawCurves(curves, previousStep) {
  animation++; // whatever moves shows what is no longer chosen
  const view = pathView();
  const path = curves[view.step]?.[view.pair];
  const there = Boolean(path?.sets[view.set]);
  const words = pathWords(path, view);
  showStep(view);
  showValues(path, view);
  drawPathMap(view);
  if (!there) return nothing("path-chart", words);
  const range = pathRange(curves, view), finish = () => draw("path-chart", pathTraces(path, view), pathLayout(range, view, path), words);
  const before = curves[previousStep]?.[view.pair];
  if (!before?.sets[view.set] || calm()) return finish();
  const [from, to] = [before, path].map((p) => pointsOf(p, view.set, view.quantity));
  const grid = [...new Set([...from, ...to].map((p) => p.alpha))].sort((a, b) => a - b);
  animate((t) => {
    const points = grid.map((alpha) => ({ alpha, value: (1 - t) * at(from, alpha) + t * at(to, alpha) }));
    const colour = SET_COLOURS[view.sets.indexOf(view.set) % SET_COLOURS.length];
    draw("path-chart", [curveTrace(points, plain(view.set), colour, false)], { ...pathLayout(range, view), showlegend: true }, words);
  }, finish);
}

/** The map beside it has one scale for all steps, so that it shows what grows. */
function drawPathMap(view) {
  $("path-map-figure").hidden = PAIRS.length < 2;
  if (PAIRS.length < 2) return;
  const all = (view.cell.gaps[view.set]?.[view.quantity] ?? []).flatMap((values) => (values ?? []).filter(known));
  drawMap("path-map", view.cell, view.cell.steps.indexOf(view.step), all.reduce((a, b) => Math.max(a, b), 0), view.pair);
}

// ------------------------------------------------------------------------------------------- the step

/** The slider runs over the cell's own steps. */
function showStep(view) {
  const { steps } = view.cell, place = steps.indexOf(view.step);
  $("path-step").max = steps.length - 1;
  $("path-step").value = place;
  $("path-play").disabled = steps.length < 2;
  $("path-steps").replaceChildren(...steps.map((step, i) => new Option(thousands(step), i)));
  $("path-step-name").textContent = thousands(view.step);
  $("path-step").setAttribute("aria-valuetext", `step ${thousands(view.step)}`);
}

let moving = null; // the step that the next drawing moves from

function toStep(place) {
  const { steps } = chosenCell();
  moving = steps[stepIn(steps)];
  choosing({ step: steps[place] });
}

function stopPlaying() {
  clearInterval(playing);
  playing = null;
  $("path-play").textContent = "Play";
}

function play() {
  if (playing) return stopPlaying();
  $("path-play").textContent = "Pause";
  const cell = chosenCell(), last = cell.steps.length - 1, now = () => stepIn(cell.steps);
  toStep(now() >= last ? 0 : now() + 1);
  playing = setInterval(() => (chosenCell() === cell && now() < last ? toStep(now() + 1) : stopPlaying()), 900);
}

function startExplorer() {
  onChange(["path-all"], () => drawPath());
  $("path-step").addEventListener("input", () => { stopPlaying(); toStep(Number($("path-step").value)); });
  $("path-play").addEventListener("click", play);
  views.set("explorer", () => {
    const from = moving;
    moving = null;
    return drawPath(from);
  });
}
