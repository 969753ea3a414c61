// Two experiments: of each cell the gap in both, the difference, and the accuracy of the runs.

const choiceNow = () => ["metric", "quantity", "set"].map((name) => $(`compared-${name}`).value);
const metricName = (metric) => { const [name, ...place] = metric.split(", "); return [data.metrics[name] ?? name, ...place].join(", "); };
const END = { a: `a: ${data.names.a}`, b: `b: ${data.names.b}`, difference: "b − a" };

/** A curve over steps with its band, of one end or of the difference. */
function curveTraces(end, points) {
  const colour = data.colours[end], steps = points.map((p) => p.step);
  const banded = points.filter((p) => known(p.low) && known(p.high));
  const band = {
    x: [...banded.map((p) => p.step), ...banded.map((p) => p.step).reverse()],
    y: [...banded.map((p) => p.low), ...banded.map((p) => p.high).reverse()],
    fill: "toself", fillcolor: shade(colour, 0.2), line: { width: 0 }, mode: "lines", hoverinfo: "skip", showlegend: false,
  };
  const line = {
    x: steps, y: points.map((p) => p.mean), name: plain(END[end]), mode: "lines+markers", showlegend: true, meta: reach(points),
    line: { color: shade(colour), dash: end === "b" ? "dash" : "solid", width: 2.5 },
    marker: { size: 8, symbol: end === "b" ? "square" : "circle", color: shade(colour) },
    customdata: points.map((p) => `${number(p.mean)}${interval(p.low, p.high)}`),
    hovertemplate: `<b>${plain(END[end])}</b>, step %{x:,}<br>%{customdata}<extra></extra>`,
  };
  return banded.length > 1 ? [band, line] : [line];
}

function drawCurves(id, title, short, curves, ends, more = {}) {
  const there = ends.filter((end) => curves?.[end]?.length);
  const words = there.map((end) => `${END[end]}: ${curves[end].map((p) => `${number(p.mean)}${interval(p.low, p.high)} at step ${thousands(p.step)}`).join(", ")}.`);
  draw(id, there.flatMap((end) => curveTraces(end, curves[end])), {
    xaxis: axis("fine-tuning step (updates)"), yaxis: axis(short, more), hovermode: "closest",
  }, words.length ? `${title}. ${words.join(" ")}` : "Not measured in both.");
}

function drawCell(place) {
  const [metric, quantity, set] = choiceNow(), series = data.cells[place].series[set];
  const curves = series?.[quantity]?.[metric], title = `${metricName(metric)}, ${set} ${QUANTITY[quantity]}`;
  const short = `${metric}, ${QUANTITY[quantity]}`, accuracy = `${set} accuracy, mean over runs`;
  drawCurves(`cell-${place}-gap`, title, short, curves, ["a", "b"], { rangemode: "tozero" });
  drawCurves(`cell-${place}-difference`, `b − a, ${title}`, `b − a, ${short}`, curves, ["difference"], { zerolinecolor: css("--strong") });
  drawCurves(`cell-${place}-accuracy`, accuracy, "accuracy", series?.accuracy?.runs, ["a", "b"]);
}

function startCells() {
  const sets = [...new Set(data.cells.flatMap((cell) => Object.keys(cell.series)))];
  const every = data.cells.flatMap((cell) => Object.values(cell.series)).flatMap((quantities) => Object.keys(quantities.loss ?? {}));
  const metrics = [...new Set(every)].filter((metric) => metric !== "runs");
  fill($("compared-metric"), metrics.map((metric) => [metric, metricName(metric)]), "CG");
  fill($("compared-quantity"), Object.entries(QUANTITY), "loss");
  fill($("compared-set"), same(sets), "test");
  data.cells.forEach((_, place) => views.set(`cell-${place}`, () => drawCell(place)));
  onChange(["compared-metric", "compared-quantity", "compared-set"], redraw);
  redraw();
}

openPage([startCells]);
