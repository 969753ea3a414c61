// What averaging the runs of a cell brings, by how many are averaged.

const averagesOf = (choice) => data.cells[cellOf(choice.dataset, choice.model)]?.averages[choice.step]?.[choice.set]?.[choice.quantity];

function averagesTraces(kinds, colour) {
  const soups = kinds.uniform ?? [], sizes = soups.map((row) => row.size);
  const level = (name, column, dash) => ({
    x: [1, ...sizes], y: [1, ...sizes].map(() => soups.at(-1)[column]), mode: "lines", name, hoverinfo: "name+y",
    line: { color: css("--soft"), dash, width: 1.5 },
  });
  const line = (kind, name, look) => ({
    x: kinds[kind]?.map((row) => row.size), y: kinds[kind]?.map((row) => row.value), name, mode: "lines+markers",
    customdata: kinds[kind]?.map((row) => `${number(row.value)}, gain ${number(row.gain)}${interval(row.low, row.high)}${row.seeds ? `<br>seeds ${row.seeds}` : ""}`),
    hovertemplate: `<b>${name}</b> of %{x}<br>%{customdata}<extra></extra>`, ...look,
  });
  // A larger gain is a lower loss.
  const bars = (low, high, look) => ({ type: "data", symmetric: false, array: soups.map((row) => (known(row[low]) ? row.gain - row[low] : 0)), arrayminus: soups.map((row) => (known(row[high]) ? row[high] - row.gain : 0)), ...look });
  const thick = { x: sizes, y: soups.map((row) => row.value), mode: "markers", marker: { size: 1, color: shade(colour) }, hoverinfo: "skip", showlegend: false,
    error_y: bars("low_both", "high_both", { thickness: 8, width: 0, color: shade(colour, 0.25) }) };
  const predicted = soups.filter((row) => known(row.predicted) && row.size > 2);
  return [
    level("runs alone, mean", "mean", "dash"), level("the best run", "best", "solid"),
    ...(soups.some((row) => known(row.low_both)) ? [thick] : []),
    line("uniform", "uniform soup", { ...(known(soups[0].low) ? { error_y: bars("low", "high", { thickness: 1.2, color: shade(colour) }) } : {}), line: { color: shade(colour), width: 2.5 }, marker: { size: 9, color: shade(colour) } }),
    { x: predicted.map((row) => row.size), y: predicted.map((row) => row.predicted), mode: "markers", name: "if quadratic", marker: { symbol: "x-thin-open", size: 10, color: shade(colour), line: { width: 2 } }, hovertemplate: "%{y}<extra>if quadratic</extra>" },
    line("ensemble", "ensemble", { line: { color: shade(colour), dash: "dot", width: 2 }, marker: { size: 6, color: shade(colour) } }),
    ...(kinds.greedy ?? []).map((row) => ({
      x: [1, ...sizes], y: [1, ...sizes].map(() => row.value), mode: "lines", name: "greedy soup", line: { color: css("--text"), dash: "dashdot", width: 1.5 },
      hovertemplate: `<b>greedy soup</b> of ${row.seeds}<br>${number(row.value)}, gain ${number(row.gain)}${interval(row.low, row.high)}<extra></extra>`,
    })),
  ];
}

function drawAverages() {
  const [dataset, model, step, set, quantity] = ["dataset", "model", "step", "set", "quantity"].map((n) => $(`averages-${n}`).value);
  const kinds = averagesOf({ dataset, model, step, set, quantity });
  const title = `${set} ${QUANTITY[quantity]}`;
  if (!kinds?.uniform) return draw("averages-chart", [], {}, "Nothing has been averaged here.");
  const words = (name, row) => `${name} of ${row.size}: ${number(row.value)}, gain ${number(row.gain)}${interval(row.low, row.high)}`;
  const said = [...kinds.uniform.map((row) => words("uniform soup", row)), ...(kinds.greedy ?? []).map((row) => `greedy soup of ${row.seeds}: ${number(row.value)}, gain ${number(row.gain)}${interval(row.low, row.high)}`), ...(kinds.ensemble ?? []).map((row) => words("ensemble", row))];
  const last = kinds.uniform.at(-1);
  draw("averages-chart", averagesTraces(kinds, data.models[model].colour), {
    xaxis: axis("runs in the average", { tickvals: [1, ...kinds.uniform.map((row) => row.size)] }), yaxis: axis(title), hovermode: "closest",
  }, `${title} of ${model} on ${dataset}, step ${thousands(Number(step))}. Runs alone: mean ${number(last.mean)}, the best ${number(last.best)}. ${said.join("; ")}.`);
}

function startAverages() {
  const averaged = data.cells.filter((cell) => Object.keys(cell.averages).length);
  if (!averaged.length) return;
  const cell = () => data.cells[cellOf($("averages-dataset").value, $("averages-model").value)];
  fill($("averages-dataset"), same([...new Set(averaged.map((c) => c.dataset))]));
  fill($("averages-quantity"), Object.entries(QUANTITY), "loss");
  const models = () => { fill($("averages-model"), same(averaged.filter((c) => c.dataset === $("averages-dataset").value).map((c) => c.model))); places(); };
  const places = () => {
    const steps = Object.keys(cell().averages);
    fill($("averages-step"), steps.map((step) => [step, thousands(Number(step))]), steps.at(-1));
    fill($("averages-set"), same(Object.keys(cell().averages[$("averages-step").value])), "test");
  };
  models();
  $("averages-dataset").addEventListener("change", models);
  $("averages-model").addEventListener("change", places);
  onChange(["averages-dataset", "averages-model", "averages-step", "averages-set", "averages-quantity"], drawAverages);
  views.set("averages", drawAverages);
}
