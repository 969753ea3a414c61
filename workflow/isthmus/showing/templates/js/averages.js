// What averaging the runs of a cell brings, by how many are averaged.

function averagesTraces(kinds, colour) {
  const soups = kinds.uniform ?? [], sizes = soups.map((row) => row.size);
  const level = (name, column, dash) => ({
    x: [1, ...sizes], y: [1, ...sizes].map(() => soups.at(-1)[column]), mode: "lines", name, hoverinfo: "name+y",
    line: { color: css("--soft"), dash, width: 1.5 },
  });
  const line = (kind, name, look) => ({
    x: kinds[kind]?.map((row) => row.size), y: kinds[kind]?.map((row) => row.value), name, mode: "lines+markers",
    // A larger gain is a lower value.
    meta: { low: kinds[kind]?.map((row) => known(row.high) ? row.value - (row.high - row.gain) : null), high: kinds[kind]?.map((row) => known(row.low) ? row.value + (row.gain - row.low) : null) },
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
    ...(kinds.ensemble ? [line("ensemble", "ensemble", { line: { color: shade(colour), dash: "dot", width: 2 }, marker: { size: 6, color: shade(colour) } })] : []),
    ...(kinds.greedy ?? []).map((row) => ({
      x: [1, ...sizes], y: [1, ...sizes].map(() => row.value), mode: "lines", name: "greedy soup", line: { color: css("--text"), dash: "dashdot", width: 1.5 },
      hovertemplate: `<b>greedy soup</b> of ${row.seeds}<br>${number(row.value)}, gain ${number(row.gain)}${interval(row.low, row.high)}<extra></extra>`,
    })),
  ];
}

function drawAverages() {
  const cell = chosenCell(), steps = Object.keys(cell.averages).map(Number), step = steps[stepIn(steps)];
  const where = `${cell.model} on ${cell.dataset}`, title = `${state.set} ${QUANTITY[state.quantity]}`;
  const kinds = cell.averages[step]?.[state.set]?.[state.quantity];
  if (!kinds?.uniform) return nothing("averages-chart", `Nothing was averaged of ${where}, set ${state.set}.`);
  const words = (name, row) => `${name} of ${row.size}: ${number(row.value)}, gain ${number(row.gain)}${interval(row.low, row.high)}`;
  const said = [...kinds.uniform.map((row) => words("uniform soup", row)), ...(kinds.greedy ?? []).map((row) => `greedy soup of ${row.seeds}: ${number(row.value)}, gain ${number(row.gain)}${interval(row.low, row.high)}`), ...(kinds.ensemble ?? []).map((row) => words("ensemble", row))];
  const last = kinds.uniform.at(-1);
  draw("averages-chart", averagesTraces(kinds, data.models[cell.model].colour), {
    xaxis: axis(`runs in the average, step ${thousands(step)}`, { tickvals: [1, ...kinds.uniform.map((row) => row.size)] }), yaxis: axis(title), hovermode: "closest",
  }, `${title} of ${where}, step ${thousands(step)}. Runs alone: mean ${number(last.mean)}, the best ${number(last.best)}. ${said.join("; ")}.`);
}

function startAverages() {
  if (data.cells.some((cell) => Object.keys(cell.averages).length)) views.set("averages", drawAverages);
}
