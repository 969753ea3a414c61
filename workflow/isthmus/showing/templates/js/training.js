// One run's training: the source's Figure 1.

function runShown() {
  const cell = data.cells[cellOf($("run-dataset").value, $("run-model").value)];
  return { cell, run: cell?.runs.find((run) => String(run.seed) === $("run-seed").value) };
}

function runPanels({ cell, run }) {
  const colour = shade(data.models[cell.model].colour), history = run.history, scores = run.scores.test;
  const scored = (name) => ({ x: cell.steps, y: scores?.[name], mode: "lines+markers" });
  const line = (points) => ({ ...points, mode: "lines" }), language = scores?.perplexity?.some(known);
  return [
    ["fine-tuning loss (nats)", history && line({ x: history.step, y: history.loss })],
    ["validation loss (nats)", scored("loss")],
    language ? ["perplexity, test part", scored("perplexity")] : ["F1, test part", scored("f1")],
    [`${language ? "token " : ""}accuracy, test part`, scored("accuracy")],
    ["learning rate", history && line({ x: history.step, y: history.learning_rate })],
  ].map(([title, points]) => [title, points?.y && { ...points, line: { color: colour, width: 2 }, marker: { color: colour, size: 7 } }]);
}

function drawRun() {
  const shown = runShown();
  const panels = shown.run ? runPanels(shown) : [];
  const there = panels.filter(([, trace]) => trace);
  if (!there.length) return void draw("run-chart", [], {}, "Nothing has been recorded of this run.");
  const columns = $("run-chart").clientWidth < 620 ? 1 : 3;
  const layout = { grid: { rows: Math.ceil(panels.length / columns), columns, pattern: "independent", xgap: 0.16, ygap: 0.42 }, showlegend: false, annotations: [], margin: { l: 40, r: 12, t: 30, b: 48 } };
  $("run-chart").style.height = columns === 1 ? "64rem" : "";
  panels.forEach(([title, trace], i) => {
    const n = i ? i + 1 : "";
    layout[`xaxis${n}`] = axis("step", { rangemode: "tozero", nticks: 5 });
    layout[`yaxis${n}`] = axis("", { nticks: 6, rangemode: i === 4 ? "tozero" : "normal" });
    layout.annotations.push({ text: title, xref: `x${n} domain`, yref: `y${n} domain`, x: 0, y: 1.04, xanchor: "left", yanchor: "bottom", showarrow: false });
    if (trace) Object.assign(trace, { xaxis: `x${n}`, yaxis: `y${n}`, hovertemplate: `${title} %{y:.5~g}<br>step %{x:,.0f}<extra></extra>` });
  });
  const majority = shown.run.scores.test?.majority;
  const bar = majority ? [{ x: shown.cell.steps, y: majority, mode: "lines", line: { dash: "dot", color: css("--soft") }, xaxis: "x4", yaxis: "y4", hovertemplate: "baseline %{y:.4f}<extra></extra>" }] : [];
  const scores = shown.run.scores.test;
  const words = scores ? shown.cell.steps.map((step, i) => `step ${thousands(step)}: loss ${number(scores.loss[i])}, ${known(scores.perplexity[i]) ? `perplexity ${number(scores.perplexity[i])}` : `F1 ${number(scores.f1[i])}`}, accuracy ${number(scores.accuracy[i])}`).join("; ") : "no checkpoint was evaluated";
  draw("run-chart", [...there.map(([, trace]) => trace), ...bar], layout,
    `Training of ${shown.cell.model} on ${shown.cell.dataset}, seed ${shown.run.seed}. On the test part, ${words}.${shown.run.history ? "" : " No history of its training is there."}`);
}

function startTraining() {
  const first = data.cells.find((cell) => cell.model === data.training.model) ?? data.cells[0];
  fill($("run-dataset"), same(datasets), first.dataset);
  $("run-dataset").value = first.dataset;
  fill($("run-seed"), same(data.seeds), data.training.seed);
  const models = () => fill($("run-model"), same(cellsOn($("run-dataset").value).map((cell) => cell.model)), first.model);
  models();
  $("run-dataset").addEventListener("change", models);
  onChange(["run-dataset", "run-model", "run-seed"], drawRun);
  views.set("training", drawRun);
}
