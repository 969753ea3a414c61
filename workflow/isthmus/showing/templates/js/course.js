// Connectivity over fine-tuning, and over pre-training for ladders.

function courseChoice() {
  const [dataset, metric, quantity, set] = ["dataset", "metric", "quantity", "set"].map((n) => $(`course-${n}`).value);
  return { dataset, metric, quantity, set, title: `${data.metrics[metric]}, ${set} ${QUANTITY[quantity]}` };
}

const statistics = (cell, choice) => cell.stats[choice.set]?.[choice.quantity]?.[choice.metric];

/** The points of a cell that there are: [{step, mean, low, high}]. */
function coursePoints(cell, choice) {
  const stats = statistics(cell, choice);
  if (!stats) return [];
  return cell.steps
    .map((step, i) => ({ step, mean: stats.mean[i], low: stats.low[i], high: stats.high[i], min: stats.min[i], max: stats.max[i] }))
    .filter((point) => known(point.mean));
}

const pointWords = (p) => `${number(p.mean)}${interval(p.low, p.high)}`;

function courseTraces(cell, choice) {
  const look = data.models[cell.model];
  const points = coursePoints(cell, choice);
  const banded = points.filter((p) => known(p.low) && known(p.high));
  const steps = points.map((p) => p.step);
  const band = {
    x: [...banded.map((p) => p.step), ...banded.map((p) => p.step).reverse()],
    y: [...banded.map((p) => p.low), ...banded.map((p) => p.high).reverse()],
    fill: "toself", fillcolor: shade(look.colour, 0.2), line: { width: 0 }, mode: "lines",
    hoverinfo: "skip", showlegend: false, legendgroup: cell.model,
  };
  const line = {
    x: steps, y: points.map((p) => p.mean), name: plain(cell.model), legendgroup: cell.model, mode: "lines+markers",
    line: { color: shade(look.colour), dash: look.dash, width: 2.5 },
    marker: { size: 9, symbol: steps.map((step) => look.marker + (step === 0 ? "-open" : "")), color: shade(look.colour), line: { width: 2 } },
    customdata: points.map((p) => `${pointWords(p)}<br>range over pairs ${number(p.min)} to ${number(p.max)}`),
    hovertemplate: `<b>${plain(cell.model)}</b>, step %{x:,}<br>%{customdata}<extra></extra>`,
  };
  return banded.length > 1 ? [band, line] : [line];
}

function drawCourse() {
  const choice = courseChoice();
  const cells = cellsOn(choice.dataset).filter((cell) => coursePoints(cell, choice).length);
  const words = cells.map((cell) => `${cell.model}: ${coursePoints(cell, choice).map((p) => `${pointWords(p)} at step ${thousands(p.step)}`).join(", ")}.`);
  draw("course-chart", cells.flatMap((cell) => courseTraces(cell, choice)), {
    xaxis: axis("fine-tuning step (updates)"), yaxis: axis(choice.title, { rangemode: "tozero" }), hovermode: "closest",
  }, words.length ? `${choice.title} on ${choice.dataset}. ${words.join(" ")}` : "Nothing has been measured here.");
  drawLadder(choice);
}

function drawLadder(choice) {
  const ladders = data.ladders.filter(([dataset]) => dataset === choice.dataset);
  $("ladder").hidden = !ladders.length;
  if (!ladders.length) return;
  const traces = [], words = [];
  for (const [dataset, ladder, models] of ladders) {
    const rungs = models.map((model) => data.cells[cellOf(dataset, model)]);
    const steps = [...new Set(rungs.flatMap((cell) => cell.steps))].sort((a, b) => a - b);
    steps.forEach((step, i) => {
      const points = rungs.map((cell) => ({ amount: data.models[cell.model].amount, ...coursePoints(cell, choice).find((p) => p.step === step) })).filter((p) => known(p.mean));
      if (!points.length) return;
      const colour = ladderColour(i, steps.length);
      traces.push({
        x: points.map((p) => p.amount), y: points.map((p) => p.mean), mode: "lines+markers",
        name: `${ladders.length > 1 ? `${plain(ladder)}, ` : ""}step ${thousands(step)}`,
        line: { color: colour, width: 2 }, marker: { size: 8, symbol: i % 30, color: colour },
        error_y: { type: "data", symmetric: false, array: points.map((p) => known(p.high) ? p.high - p.mean : 0), arrayminus: points.map((p) => known(p.low) ? p.mean - p.low : 0), thickness: 1.2, width: 4, visible: points.some((p) => known(p.low)) },
        customdata: points.map(pointWords),
        hovertemplate: `after %{x:,} updates of pre-training, step ${thousands(step)}<br>%{customdata}<extra></extra>`,
      });
      words.push(`Ladder ${ladder}, step ${thousands(step)}: ${points.map((p) => `${pointWords(p)} after ${thousands(p.amount)}`).join(", ")}.`);
    });
  }
  draw("ladder-chart", traces, {
    xaxis: axis("pre-training steps (updates)"), yaxis: axis(choice.title, { rangemode: "tozero" }), hovermode: "closest",
  }, words.length ? `${choice.title} on ${choice.dataset}, by updates of pre-training. ${words.join(" ")}` : "Nothing has been measured here.");
}

/** From blue-violet to green-yellow, the way of the static figures; lighter on a dark ground. */
function ladderColour(place, count) {
  const stops = ["#482475", "#31688e", "#21918c", "#35b779", "#8fbc2a"];
  return shade(stops[Math.round((place / Math.max(1, count - 1)) * (stops.length - 1))]);
}

function startCourse() {
  fill($("course-dataset"), same(datasets));
  fill($("course-metric"), Object.entries(data.metrics), "CG");
  fill($("course-quantity"), Object.entries(QUANTITY), "loss");
  const sets = () => fill($("course-set"), same(setsOf(cellsOn($("course-dataset").value))), "test");
  sets();
  $("course-dataset").addEventListener("change", sets);
  onChange(["course-dataset", "course-metric", "course-quantity", "course-set"], drawCourse);
  views.set("course", drawCourse);
}
