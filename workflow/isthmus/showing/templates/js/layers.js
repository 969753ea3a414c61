// Where a barrier sits: lines in one group of tensors alone, in all up to it, in all from it on.

const LAYER_METRICS = { CG: "CG", BH: "BH", gain: "gain of the middle", BH_models: "BH over the whole models’ chord" };
const ORDERS = { alone: "alone", shallow: "up to here", deep: "from here on" };

function drawLayers() {
  const [dataset, model, step, metric, quantity] = ["dataset", "model", "step", "metric", "quantity"].map((n) => $(`layers-${n}`).value);
  const orders = data.cells[cellOf(dataset, model)]?.layers[step]?.[quantity]?.[metric];
  if (!orders) return draw("layers-chart", [], {}, "Nothing has been measured here.");
  const colours = { alone: data.models[model].colour, shallow: "#EE6677", deep: "#228833" };
  const words = [];
  const traces = Object.entries(ORDERS).filter(([order]) => orders[order]).map(([order, name]) => {
    const [groups, means, lowest, highest] = orders[order];
    words.push(`${name}: ${groups.map((group, i) => `${group} ${number(means[i])}`).join(", ")}.`);
    return {
      x: groups.map(plain), y: means, name, type: order === "alone" ? "bar" : "scatter", mode: "lines+markers",
      marker: { color: shade(colours[order], order === "alone" ? 0.6 : 1), size: 8 }, line: { color: shade(colours[order]), width: 2 },
      error_y: { type: "data", symmetric: false, array: highest.map((v, i) => v - means[i]), arrayminus: means.map((v, i) => v - lowest[i]), thickness: 1, width: 3 },
      customdata: means.map((v, i) => `${number(v)}, ${number(lowest[i])} to ${number(highest[i])}`),
      hovertemplate: `<b>%{x}</b>, ${name}<br>%{customdata}<extra></extra>`,
    };
  });
  const title = `${LAYER_METRICS[metric]}, test ${QUANTITY[quantity]}`;
  draw("layers-chart", traces, {
    xaxis: axis("tensors that move", { type: "category", categoryarray: orders.alone?.[0].map(plain), categoryorder: "array" }), yaxis: axis(title), hovermode: "closest",
  }, `${title} of lines in some layers, ${model} on ${dataset}, step ${thousands(Number(step))}. ${words.join(" ")}`);
}

function startLayers() {
  const layered = data.cells.filter((cell) => Object.keys(cell.layers).length);
  if (!layered.length) return;
  fill($("layers-dataset"), same([...new Set(layered.map((c) => c.dataset))]));
  fill($("layers-metric"), Object.entries(LAYER_METRICS), "CG");
  fill($("layers-quantity"), Object.entries(QUANTITY), "loss");
  const follow = () => {
    fill($("layers-model"), same(layered.filter((c) => c.dataset === $("layers-dataset").value).map((c) => c.model)));
    const steps = Object.keys(data.cells[cellOf($("layers-dataset").value, $("layers-model").value)].layers);
    fill($("layers-step"), steps.map((step) => [step, thousands(Number(step))]), steps.at(-1));
  };
  follow();
  for (const id of ["layers-dataset", "layers-model"]) $(id).addEventListener("change", follow);
  onChange(["layers-dataset", "layers-model", "layers-step", "layers-metric", "layers-quantity"], drawLayers);
  views.set("layers", drawLayers);
}
