// Maps of CG between any two seeds, and its distribution over pairs.

/** CG of each pair as a square, later seeds down and earlier ones across, in the cell's order of seeds. */
function drawMap(id, cell, step, set, quantity, top, framed) {
  const values = cell.gaps[set]?.[quantity]?.[step];
  const at = new Map(PAIRS.map(([a, b], pair) => [`${a} ${b}`, pair]));
  const pairOf = (i, j) => at.get([cell.order[i], cell.order[j]].sort((a, b) => a - b).join(" "));
  const rows = cell.order.slice(1).map((_, i) => i + 1), columns = cell.order.slice(0, -1).map((_, j) => j);
  const pick = (show) => rows.map((i) => columns.map((j) => (j < i ? show(pairOf(i, j)) : null)));
  const shown = (values ?? []).filter(known);
  const names = (places) => places.map((place) => `${data.seeds[cell.order[place]]}`);
  const words = shown.length
    ? `CG of ${shown.length} pairs of seeds of ${cell.model} at step ${thousands(cell.steps[step])}, ${set} ${QUANTITY[quantity]}: ${PAIRS.length > 10 ? `${number(Math.min(...shown))} to ${number(Math.max(...shown))}` : values.map((v, pair) => `${pairName(pair, cell)}: ${number(v)}`).join("; ")}.`
    : `No pair of ${cell.model} was measured at step ${thousands(cell.steps[step])}.`;
  const trace = {
    type: "heatmap", x: columns, y: rows, z: pick((pair) => values?.[pair] ?? null), customdata: pick((pair) => [pair, pairName(pair, cell)]),
    zmin: 0, zmax: (top ?? Math.max(...shown)) || 1, colorscale: "Cividis", xgap: 1, ygap: 1, hoverongaps: false,
    colorbar: { thickness: 10, len: 0.9, title: { text: "CG", side: "top" }, tickfont: { size: 11 } },
    hovertemplate: "seeds %{customdata[1]}<br>CG %{z:.4f}<extra></extra>",
    texttemplate: rows.length <= 6 ? "%{z:.3f}" : "",
  };
  const [frameRow, frameColumn] = known(framed) ? placesOf(cell, framed) : [];
  const small = { size: rows.length > 12 ? 9 : 11 };
  const result = draw(id, shown.length ? [trace] : [], {
    margin: { l: 44, r: 8, t: 10, b: 44 }, hovermode: "closest", dragmode: false,
    xaxis: axis("seed", { tickvals: columns, ticktext: names(columns), showgrid: false, zeroline: false, tickfont: small, tickangle: rows.length > 5 ? -90 : 0 }),
    yaxis: axis("seed", { tickvals: rows, ticktext: names(rows), showgrid: false, zeroline: false, tickfont: small, autorange: "reversed" }),
    shapes: known(framed) ? [{ type: "rect", x0: frameColumn - 0.5, x1: frameColumn + 0.5, y0: frameRow - 0.5, y1: frameRow + 0.5, line: { color: "#EE6677", width: 3 } }] : [],
  }, words);
  if (shown.length) result.then(() => onClick(id, (point) => openPair(id, point.customdata[0])));
  $(id).shownCell = data.cells.indexOf(cell);
  $(id).shownStep = step;
}

/** Row and column of a pair in the cell's order of seeds. */
function placesOf(cell, pair) {
  const [a, b] = PAIRS[pair].map((seed) => cell.order.indexOf(seed));
  return [Math.max(a, b), Math.min(a, b)];
}

function openPair(id, pair) {
  showPath($(id).shownCell, $(id).shownStep, pair);
  if (id !== "path-map") $("explorer").scrollIntoView();
}

function pairsChoice() {
  const [dataset, step, quantity, set] = ["dataset", "step", "quantity", "set"].map((n) => $(`pairs-${n}`).value);
  return { dataset, step: Number(step), quantity, set, cells: cellsOn(dataset) };
}

function drawMaps() {
  const { cells, step, quantity, set } = pairsChoice();
  const shown = cells.filter((cell) => cell.steps.includes(step));
  const top = Math.max(0, ...shown.flatMap((cell) => (cell.gaps[set]?.[quantity]?.[cell.steps.indexOf(step)] ?? []).filter(known)));
  for (const old of $("pairs-maps").querySelectorAll(".chart")) Plotly.purge(old);
  $("pairs-maps").replaceChildren(...shown.map((cell, i) => {
    const figure = document.createElement("figure"), title = document.createElement("figcaption"), chart = document.createElement("div");
    title.textContent = `${cell.model}, step ${thousands(step)}`;
    [chart.id, chart.className] = [`pairs-map-${i}`, "chart"];
    figure.append(title, chart);
    return figure;
  }));
  shown.forEach((cell, i) => drawMap(`pairs-map-${i}`, cell, cell.steps.indexOf(step), set, quantity, top));
}

function drawSpread() {
  const { cells, quantity, set, dataset } = pairsChoice();
  const steps = [...new Set(cells.flatMap((cell) => cell.steps))].sort((a, b) => a - b);
  const words = [];
  const traces = cells.map((cell) => {
    const look = data.models[cell.model], x = [], y = [], names = [];
    (cell.gaps[set]?.[quantity] ?? []).forEach((values, i) => (values ?? []).forEach((value, pair) => {
      if (!known(value)) return;
      x.push(thousands(cell.steps[i]));
      y.push(value);
      names.push(pairName(pair, cell));
    }));
    if (y.length) words.push(`${cell.model}: ${y.length} values from ${number(Math.min(...y))} to ${number(Math.max(...y))}.`);
    return {
      type: "box", x, y, text: names, name: plain(cell.model), boxpoints: PAIRS.length > 60 ? "outliers" : "all", jitter: 0.4, pointpos: 0,
      marker: { size: 5, color: shade(look.colour), symbol: look.marker }, line: { width: 1.5, color: shade(look.colour) }, fillcolor: shade(look.colour, 0.15),
      hoveron: "points+boxes", hovertemplate: `${plain(cell.model)}, seeds %{text}<br>CG %{y:.4f}<extra></extra>`,
    };
  }).filter((trace) => trace.y.length);
  draw("pairs-spread", traces, {
    boxmode: "group", xaxis: axis("fine-tuning step (updates)", { type: "category", categoryorder: "array", categoryarray: steps.map(thousands) }),
    yaxis: axis(`CG, ${set} ${QUANTITY[quantity]}`, { rangemode: "tozero" }), showlegend: true,
  }, words.length ? `CG over pairs of seeds on ${dataset}, ${set} ${QUANTITY[quantity]}, all steps. ${words.join(" ")}` : "No pair was measured here.");
}

function drawPairs() {
  drawMaps();
  drawSpread();
}

function startPairs() {
  fill($("pairs-dataset"), same(datasets));
  fill($("pairs-quantity"), Object.entries(QUANTITY), "loss");
  const follow = () => {
    const cells = cellsOn($("pairs-dataset").value);
    const steps = [...new Set(cells.flatMap((cell) => cell.steps))].sort((a, b) => a - b);
    fill($("pairs-set"), same(setsOf(cells)), "test");
    fill($("pairs-step"), steps.map((step) => [step, thousands(step)]), steps.at(-1));
  };
  follow();
  $("pairs-dataset").addEventListener("change", follow);
  onChange(["pairs-dataset", "pairs-quantity", "pairs-set"], drawPairs);
  onChange(["pairs-step"], drawMaps);
  views.set("pairs", drawPairs);
}
