// Maps of CG between any two seeds, and its distribution over pairs.

const FRAME = "#EE6677";
const FEW_PAIRS = 6; // under which a distribution is its dots

const gapsAt = (cell, place) => cell.gaps[state.set]?.[state.quantity]?.[place];

/** Row and column of a pair in the cell's order of seeds. */
function placesOf(cell, pair) {
  const [a, b] = PAIRS[pair].map((seed) => cell.order.indexOf(seed));
  return [Math.max(a, b), Math.min(a, b)];
}

/** The pair at a row and column of a map; undefined above its diagonal. */
function pairAt(cell, row, column) {
  if (column >= row) return undefined;
  const [a, b] = [cell.order[row], cell.order[column]].sort((x, y) => x - y);
  return PAIRS.findIndex(([first, second]) => first === a && second === b);
}

/** Numbers in the squares, black or white, whichever can be read better there. */
function squareTexts(cell, values, top) {
  return values.flatMap((value, pair) => {
    if (!known(value)) return [];
    const [y, x] = placesOf(cell, pair), ground = onScale(CIVIDIS, value / top);
    const color = contrast(ground, [255, 255, 255]) > contrast(ground, [0, 0, 0]) ? "#ffffff" : "#000000";
    return [{ x, y, text: number(value, 3), showarrow: false, font: { size: 12, color } }];
  });
}

const frameOf = (cell, pair) => {
  const [row, column] = placesOf(cell, pair);
  return [{ type: "rect", x0: column - 0.5, x1: column + 0.5, y0: row - 0.5, y1: row + 0.5, line: { color: FRAME, width: 3 } }];
};

function mapWords(cell, place, values, shown) {
  const where = `${cell.model} at step ${thousands(cell.steps[place])}`;
  if (!shown.length) return `No pair of ${where} was measured.`;
  const each = PAIRS.length > 10 ? `${number(Math.min(...shown))} to ${number(Math.max(...shown))}` : values.map((v, pair) => `${pairName(pair, cell)}: ${number(v)}`).join("; ");
  return `CG of ${shown.length} pairs of seeds of ${where}, ${state.set} ${QUANTITY[state.quantity]}: ${each}.`;
}

/** CG of each pair as a square, later seeds down and earlier ones across, in the cell's order of seeds.
 *
 * `top` is the end of the scale; `framed` the pair that is shown elsewhere.
 */
function drawMap(id, cell, place, top, framed) {
  const values = gapsAt(cell, place) ?? [], shown = values.filter(known), scale = top || 1;
  const rows = cell.order.slice(1).map((_, i) => i + 1), columns = cell.order.slice(0, -1).map((_, j) => j);
  const pick = (show) => rows.map((i) => columns.map((j) => (j < i ? show(pairAt(cell, i, j)) : null)));
  const names = (places) => places.map((own) => `${data.seeds[cell.order[own]]}`);
  const trace = {
    type: "heatmap", x: columns, y: rows, z: pick((pair) => values[pair] ?? null), customdata: pick((pair) => [pair, pairName(pair, cell)]), name: plain(cell.model),
    zmin: 0, zmax: scale, colorscale: scaleOf(CIVIDIS), xgap: 1, ygap: 1, hoverongaps: false,
    colorbar: { thickness: 10, len: 0.9, title: { text: "CG", side: "top" }, tickfont: { size: 12 } },
    hovertemplate: "seeds %{customdata[1]}<br>CG %{z:.4f}<extra></extra>",
  };
  const small = { size: rows.length > 12 ? 9 : 12 };
  const seeds = (places) => ({ tickvals: places, ticktext: names(places), showgrid: false, zeroline: false, tickfont: small });
  const result = draw(id, shown.length ? [trace] : [], {
    margin: { l: 52, r: 8, t: 10, b: 48 }, hovermode: "closest", dragmode: false,
    xaxis: axis("seed", { ...seeds(columns), tickangle: rows.length > 5 ? -90 : 0 }), yaxis: axis("seed", { ...seeds(rows), autorange: "reversed" }),
    annotations: rows.length <= 6 ? squareTexts(cell, values, scale) : [], shapes: known(framed) ? frameOf(cell, framed) : [],
  }, mapWords(cell, place, values, shown));
  $(id).map = { cell, place, values, at: framed ?? null };
  if (!shown.length) return;
  result.then(() => onClick(id, (point) => openPair(id, point.customdata[0])));
  byKeyboard(id);
}

// ------------------------------------------------------------------------------------------- by keyboard

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Arrow keys go from square to square and say what is there; Enter opens the pair's path. */
function byKeyboard(id) {
  const place = $(id);
  if (place.tabIndex === 0) return;
  place.tabIndex = 0;
  place.setAttribute("role", "application");
  place.setAttribute("aria-roledescription", "map of pairs: arrow keys move, Enter opens the path");
  place.addEventListener("keydown", (event) => {
    const { cell, at, values } = place.map;
    if (!values.some(known)) return;
    if (event.key === "Enter" && known(at)) return openPair(id, at);
    if (!(event.key in MOVES)) return;
    event.preventDefault();
    const [row, column] = known(at) ? placesOf(cell, at) : [1, 0], [down, right] = known(at) ? MOVES[event.key] : [0, 0];
    const pair = pairAt(cell, Math.min(row + down, cell.order.length - 1), Math.max(column + right, 0));
    if (known(pair) && pair >= 0) moveTo(place, pair);
  });
}

function moveTo(place, pair) {
  const { cell, values } = place.map;
  place.map.at = pair;
  Plotly.relayout(place, { shapes: frameOf(cell, pair) });
  $("spoken").textContent = `seeds ${pairName(pair, cell)}: CG ${number(values[pair])}`;
}

/** Show a pair's path, of the quantity and set that the map shows, and go there. */
function openPair(id, pair) {
  const { cell, place } = $(id).map;
  choosing({ dataset: cell.dataset, model: cell.model, step: cell.steps[place], pair });
  if (id !== "path-map") $("explorer").scrollIntoView();
  $("path-chart").focus({ preventScroll: true });
}

// ------------------------------------------------------------------------------------------- the section

function drawMaps() {
  const shown = cellsOn(state.dataset).filter((cell) => cell.steps.includes(state.step));
  const top = Math.max(0, ...shown.flatMap((cell) => (gapsAt(cell, cell.steps.indexOf(state.step)) ?? []).filter(known)));
  for (const old of $("pairs-maps").querySelectorAll(".chart")) Plotly.purge(old);
  $("pairs-maps").replaceChildren(...shown.map((cell, i) => {
    const figure = document.createElement("figure"), title = document.createElement("figcaption"), chart = document.createElement("div");
    title.textContent = `${cell.model}, step ${thousands(state.step)}`;
    [chart.id, chart.className] = [`pairs-map-${i}`, "chart"];
    figure.append(title, chart);
    return figure;
  }));
  shown.forEach((cell, i) => {
    savable(`pairs-map-${i}`);
    drawMap(`pairs-map-${i}`, cell, cell.steps.indexOf(state.step), top, cell === chosenCell() ? state.pair : null);
  });
}

function drawSpread() {
  const cells = cellsOn(state.dataset), steps = stepsOn(state.dataset), words = [], title = `CG, ${state.set} ${QUANTITY[state.quantity]}`;
  const traces = cells.map((cell) => {
    const look = data.models[cell.model], x = [], y = [], text = [];
    cell.steps.forEach((step, place) => (gapsAt(cell, place) ?? []).forEach((value, pair) => {
      if (!known(value)) return;
      x.push(`${step}`);
      y.push(value);
      text.push(pairName(pair, cell));
    }));
    if (y.length) words.push(`${cell.model}: ${y.length} values from ${number(Math.min(...y))} to ${number(Math.max(...y))}.`);
    const boxed = PAIRS.length >= FEW_PAIRS;
    return {
      type: "box", x, y, text, name: plain(cell.model), boxpoints: PAIRS.length > 60 ? "outliers" : "all", jitter: boxed ? 0.4 : 0, pointpos: 0,
      marker: { size: boxed ? 5 : 9, color: shade(look.colour), symbol: look.marker }, line: { width: boxed ? 1.5 : 0, color: boxed ? shade(look.colour) : "rgba(0,0,0,0)" }, fillcolor: boxed ? shade(look.colour, 0.15) : "rgba(0,0,0,0)",
      hoveron: boxed ? "points+boxes" : "points", hovertemplate: `${plain(cell.model)}, seeds %{text}<br>CG %{y:.4f}<extra></extra>`,
    };
  }).filter((trace) => trace.y.length);
  draw("pairs-spread", traces, {
    boxmode: "group", xaxis: axis("fine-tuning step (updates)", { type: "category", categoryorder: "array", categoryarray: steps.map(String) }),
    yaxis: axis(title, { rangemode: "tozero" }), showlegend: true,
  }, words.length ? `CG over pairs of seeds on ${state.dataset}, ${state.set} ${QUANTITY[state.quantity]}, all steps. ${words.join(" ")}` : "No pair was measured here.");
}

function startPairs() {
  views.set("pairs", () => {
    drawMaps();
    drawSlopes();
    drawSpread();
    drawSkill();
  });
}
