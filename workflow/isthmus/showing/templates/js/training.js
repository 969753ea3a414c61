// Training: all runs of a cell together, as the source's Figure 1 shows one.

const FEW_LINES = 6; // up to which each run has a colour and a name of its own
const RUN_COLOURS = ["#4477AA", "#EE6677", "#228833", "#AA3377", "#997700", "#007788"];

function runPanels(cell) {
  const language = cell.runs.some((run) => run.scores.test?.perplexity?.some(known));
  const scored = (name) => (run) => run.scores.test && { x: cell.steps, y: run.scores.test[name], mode: "lines+markers" };
  const trained = (name) => (run) => run.history && { x: run.history.step, y: run.history[name], mode: "lines" };
  return [
    ["fine-tuning loss (nats)", trained("loss")],
    ["test loss (nats)", scored("loss")],
    language ? ["test perplexity", scored("perplexity")] : ["test F1", scored("f1")],
    [language ? "test accuracy of tokens" : "test accuracy", scored("accuracy")],
    ["learning rate", trained("learning_rate")],
  ];
}

/** The trace of a run in a panel. */
function runTrace(points, title, place, cell, panel) {
  const few = cell.runs.length <= FEW_LINES, run = cell.runs[place];
  const colour = few ? shade(RUN_COLOURS[place]) : shade(data.models[cell.model].colour, 0.35);
  const shown = few && panel === "" ? true : false; // once in the legend
  return {
    ...points, name: `seed ${run.seed}`, meta: { panel: title }, legendgroup: `${run.seed}`, showlegend: shown, xaxis: `x${panel}`, yaxis: `y${panel}`,
    line: { color: colour, width: few ? 2 : 1, dash: few ? ["solid", "dash", "dot"][place % 3] : "solid" }, marker: { color: colour, size: few ? 7 : 4 },
    hovertemplate: `seed ${run.seed}: ${title} %{y:.5~g}<br>step %{x:,.0f}<extra></extra>`,
  };
}

/** What an accuracy has to beat: the same for all runs of a data set, or each one's own (language models). */
function barTraces(cell, panel, title) {
  const bars = new Map(cell.runs.filter((run) => run.scores.test?.majority?.some(known)).map((run) => [run.scores.test.majority.join(), run.scores.test.majority]));
  const language = cell.runs.some((run) => run.scores.test?.perplexity?.some(known));
  return [...bars.values()].map((majority, i) => ({
    x: cell.steps, y: majority, mode: "lines", meta: { panel: title }, name: language ? "to be beaten" : "majority class", showlegend: i === 0, legendgroup: "bar",
    line: { dash: "dot", color: css("--text"), width: 1.5 }, xaxis: `x${panel}`, yaxis: `y${panel}`, hovertemplate: "to be beaten: %{y:.4f}<extra></extra>",
  }));
}

function runWords(cell) {
  return cell.runs.filter((run) => run.scores.test).map((run) => {
    const scores = run.scores.test, last = scores.loss.findLastIndex(known);
    if (last < 0) return `seed ${run.seed}: no checkpoint was evaluated`;
    const second = known(scores.perplexity[last]) ? `perplexity ${number(scores.perplexity[last])}` : `F1 ${number(scores.f1[last])}`;
    return `seed ${run.seed}, step ${thousands(cell.steps[last])}: loss ${number(scores.loss[last])}, ${second}, accuracy ${number(scores.accuracy[last])} (to be beaten: ${number(scores.majority[last])})`;
  }).join("; ");
}

function drawTraining() {
  const cell = chosenCell(), columns = $("run-chart").clientWidth < 620 ? 1 : 3;
  const panels = runPanels(cell).filter(([, of]) => cell.runs.some((run) => of(run)?.y.some(known)));
  if (!panels.length) return nothing("run-chart", "Nothing has been recorded of these runs.");
  const layout = { grid: { rows: Math.ceil(panels.length / columns), columns, pattern: "independent", xgap: 0.18, ygap: 0.42 }, annotations: [], margin: { l: 48, r: 12, t: 56, b: 48 }, legend: { orientation: "h", x: 0, y: 1.1, yanchor: "bottom" } };
  $("run-chart").style.height = columns === 1 ? `${13 * panels.length}rem` : "";
  const traces = [];
  panels.forEach(([title, of], i) => {
    const n = i ? `${i + 1}` : "";
    layout[`xaxis${n}`] = axis("step", { rangemode: "tozero", nticks: 5 });
    layout[`yaxis${n}`] = axis("", { nticks: 6, rangemode: title === "learning rate" ? "tozero" : "normal" });
    layout.annotations.push({ text: title, xref: `x${n} domain`, yref: `y${n} domain`, x: 0, y: 1.04, xanchor: "left", yanchor: "bottom", showarrow: false });
    cell.runs.forEach((run, place) => { const points = of(run); if (points) traces.push(runTrace(points, title, place, cell, n)); });
    if (title.includes("accuracy")) traces.push(...barTraces(cell, n, title));
  });
  const without = cell.runs.filter((run) => !run.history).map((run) => run.seed);
  const lacking = without.length && without.length < cell.runs.length ? ` No history is there of seeds ${without.join(", ")}.` : without.length ? " No history of their training is there." : "";
  draw("run-chart", traces, layout, `Training of ${cell.model} on ${cell.dataset}. On the test part, ${runWords(cell) || "nothing was evaluated"}.${lacking}`);
}

function startTraining() {
  views.set("training", drawTraining);
}
