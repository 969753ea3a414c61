// Connectivity over fine-tuning, and over pre-training for ladders.

const statistics = (cell, metric) => cell.stats[state.set]?.[state.quantity]?.[metric];

/** The points of a cell that there are: [{step, mean, low, high, min, max}]. */
function coursePoints(cell, metric) {
  const stats = statistics(cell, metric);
  if (!stats) return [];
  return cell.steps
    .map((step, i) => ({ step, mean: stats.mean[i], low: stats.low[i], high: stats.high[i], min: stats.min[i], max: stats.max[i] }))
    .filter((point) => known(point.mean));
}

const pointWords = (p) => `${number(p.mean)}${interval(p.low, p.high)}`;

function courseTraces(cell, metric) {
  const look = data.models[cell.model];
  const points = coursePoints(cell, metric);
  const banded = points.filter((p) => known(p.low) && known(p.high));
  const steps = points.map((p) => p.step);
  const band = {
    x: [...banded.map((p) => p.step), ...banded.map((p) => p.step).reverse()],
    y: [...banded.map((p) => p.low), ...banded.map((p) => p.high).reverse()],
    fill: "toself", fillcolor: shade(look.colour, 0.2), line: { width: 0 }, mode: "lines",
    hoverinfo: "skip", showlegend: false, legendgroup: cell.model,
  };
  const line = {
    x: steps, y: points.map((p) => p.mean), name: plain(cell.model), legendgroup: cell.model, mode: "lines+markers", meta: reach(points),
    line: { color: shade(look.colour), dash: look.dash, width: 2.5 },
    marker: { size: 9, symbol: steps.map((step) => look.marker + (step === 0 ? "-open" : "")), color: shade(look.colour), line: { width: 2 } },
    error_y: { type: "data", symmetric: false, array: points.map((p) => p.max - p.mean), arrayminus: points.map((p) => p.mean - p.min), thickness: 1, width: 5, color: shade(look.colour, 0.8) },
    customdata: points.map((p) => `${pointWords(p)}<br>range over pairs ${number(p.min)} to ${number(p.max)}`),
    hovertemplate: `<b>${plain(cell.model)}</b>, step %{x:,}<br>%{customdata}<extra></extra>`,
  };
  return banded.length > 1 ? [band, line] : [line];
}

function drawCourse() {
  const metric = $("course-metric").value, title = `${data.metrics[metric]}, ${state.set} ${QUANTITY[state.quantity]}`;
  const cells = cellsOn(state.dataset).filter((cell) => coursePoints(cell, metric).length);
  const words = cells.map((cell) => `${cell.model}: ${coursePoints(cell, metric).map((p) => `${pointWords(p)} at step ${thousands(p.step)}`).join(", ")}.`);
  draw("course-chart", cells.flatMap((cell) => courseTraces(cell, metric)), {
    xaxis: axis("fine-tuning step (updates)"), yaxis: axis(title, { rangemode: "tozero" }), hovermode: "closest",
  }, words.length ? `${title} on ${state.dataset}. ${words.join(" ")}` : "Nothing has been measured here.");
  drawLadder(metric, title);
}

function drawLadder(metric, title) {
  const ladders = data.ladders.filter(([dataset]) => dataset === state.dataset);
  $("ladder").hidden = !ladders.length;
  if (!ladders.length) return;
  const traces = [], words = [];
  for (const [dataset, ladder, models] of ladders) {
    const rungs = models.map((model) => data.cells[cellOf(dataset, model)]);
    const steps = [...new Set(rungs.flatMap((cell) => cell.steps))].sort((a, b) => a - b);
    steps.forEach((step, i) => {
      const points = rungs.map((cell) => ({ amount: data.models[cell.model].amount, ...coursePoints(cell, metric).find((p) => p.step === step) })).filter((p) => known(p.mean));
      if (!points.length) return;
      const colour = shade(ladderColour(i, steps.length));
      traces.push({
        x: points.map((p) => p.amount), y: points.map((p) => p.mean), mode: "lines+markers", meta: reach(points),
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
    xaxis: axis("pre-training steps (updates)"), yaxis: axis(title, { rangemode: "tozero" }), hovermode: "closest",
  }, words.length ? `${title} on ${state.dataset}, by updates of pre-training. ${words.join(" ")}` : "Nothing has been measured here.");
}

/** From blue-violet to green-yellow, the way of the static figures. */
function ladderColour(place, count) {
  const stops = ["#482475", "#31688e", "#21918c", "#35b779", "#8fbc2a"];
  return stops[Math.round((place / Math.max(1, count - 1)) * (stops.length - 1))];
}

function startCourse() {
  fill($("course-metric"), Object.entries(data.metrics), "CG");
  onChange(["course-metric"], drawCourse);
  views.set("course", drawCourse);
}
