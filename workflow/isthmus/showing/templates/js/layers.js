// Where a barrier sits: lines in one group of tensors alone, in all up to it, in all from it on.

const LAYER_METRICS = { CG: "CG", BH: "BH", gain: "gain of the middle", BH_models: "BH over the whole models’ chord" };
const ORDERS = { alone: "alone", shallow: "up to here", deep: "from here on" };

function drawLayers() {
  const cell = chosenCell(), { model, dataset } = cell, { quantity } = state, metric = $("layers-metric").value;
  const steps = Object.keys(cell.layers).map(Number), step = steps[stepIn(steps)];
  const orders = cell.layers[step]?.[quantity]?.[metric];
  if (!orders) return nothing("layers-chart", `No lines in some layers were measured of ${model} on ${dataset}.`);
  const colours = { alone: data.models[model].colour, shallow: "#EE6677", deep: "#228833" };
  const words = [];
  const traces = Object.entries(ORDERS).filter(([order]) => orders[order]).map(([order, name]) => {
    const [groups, means, lowest, highest] = orders[order];
    words.push(`${name}: ${groups.map((group, i) => `${group} ${number(means[i])}`).join(", ")}.`);
    return {
      x: groups.map(plain), y: means, name, meta: { low: lowest, high: highest }, type: order === "alone" ? "bar" : "scatter", mode: "lines+markers",
      marker: { color: shade(colours[order], order === "alone" ? 0.6 : 1), size: 8 }, line: { color: shade(colours[order]), width: 2 },
      error_y: { type: "data", symmetric: false, array: highest.map((v, i) => v - means[i]), arrayminus: means.map((v, i) => v - lowest[i]), thickness: 1, width: 3 },
      customdata: means.map((v, i) => `${number(v)}, ${number(lowest[i])} to ${number(highest[i])}`),
      hovertemplate: `<b>%{x}</b>, ${name}<br>%{customdata}<extra></extra>`,
    };
  });
  const title = `${LAYER_METRICS[metric]}, test ${QUANTITY[quantity]}`;
  draw("layers-chart", traces, {
    xaxis: axis(`tensors that move, step ${thousands(step)}`, { type: "category", categoryarray: orders.alone?.[0].map(plain), categoryorder: "array" }), yaxis: axis(title), hovermode: "closest",
  }, `${title} of lines in some layers, ${model} on ${dataset}, step ${thousands(step)}. ${words.join(" ")}`);
}

function startLayers() {
  if (!data.cells.some((cell) => Object.keys(cell.layers).length)) return;
  fill($("layers-metric"), Object.entries(LAYER_METRICS), "CG");
  onChange(["layers-metric"], drawLayers);
  views.set("layers", drawLayers);
}
