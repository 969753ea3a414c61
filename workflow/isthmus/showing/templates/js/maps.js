// All checkpoints of a cell in two dimensions: where runs went, and which ends are connected.

const MAP_SCALE = ["#4477AA", "#CCBB44", "#EE6677"];
const FEW_RUNS = 8; // up to which all lines between the ends are drawn: as in the static figure

/** Pairs that were measured, the best connected first; of many runs of each only its best. */
function mapEdges(values, few) {
  const edges = (values ?? []).map((value, pair) => ({ value, pair })).filter(({ value }) => known(value)).sort((a, b) => a.value - b.value);
  const first = (run) => edges.findIndex(({ pair }) => PAIRS[pair].includes(run));
  return few ? edges : edges.filter(({ pair }, i) => PAIRS[pair].some((run) => first(run) === i));
}

function drawMapOfRuns() {
  const cell = chosenCell(), last = (own) => own.gaps.test?.loss?.[own.steps.length - 1];
  const map = data.maps.find((own) => own.model === cell.model && own.dataset === cell.dataset);
  if (!map) return nothing("map-chart", `There is no map of the runs of ${cell.model} on ${cell.dataset}.`);
  const top = Math.max(1e-6, ...cellsOn(map.dataset).flatMap((c) => (last(c) ?? []).filter(known)));
  const ends = new Map(map.runs.map((run) => [data.seeds.indexOf(run.seed), [run.x.at(-1), run.y.at(-1)]]));
  const few = map.runs.length <= FEW_RUNS, edges = mapEdges(last(cell), few).filter(({ pair }) => PAIRS[pair].every((run) => ends.has(run)));
  const middle = (pair, axis) => PAIRS[pair].reduce((sum, run) => sum + ends.get(run)[axis] / 2, 0);
  const lines = edges.map(({ value, pair }) => ({
    x: PAIRS[pair].map((run) => ends.get(run)[0]), y: PAIRS[pair].map((run) => ends.get(run)[1]), mode: "lines", line: { width: 2, color: `rgb(${onScale(MAP_SCALE, value / top)})` }, hoverinfo: "skip", showlegend: false,
  })).reverse();
  const dots = {
    x: edges.map(({ pair }) => middle(pair, 0)), y: edges.map(({ pair }) => middle(pair, 1)), mode: "markers", showlegend: false,
    marker: { size: 6, color: edges.map(({ value }) => value), cmin: 0, cmax: top, colorscale: scaleOf(MAP_SCALE), colorbar: { title: { text: "CG at the end, test loss (nats)", side: "right" } } },
    text: edges.map(({ value, pair }) => `seeds ${pairName(pair, cell)}<br>CG ${number(value)}`), hoverinfo: "text",
  };
  const runs = map.runs.map((run) => ({
    x: run.x, y: run.y, name: `seed ${run.seed}`, mode: "lines+markers+text", text: run.x.map((_, i) => (i === run.x.length - 1 ? `${run.seed}` : "")), textposition: "top right", textfont: { size: few ? 13 : 10 },
    line: { width: 1, color: css("--text") }, marker: { size: run.x.map((_, i) => (i === 0 || i === run.x.length - 1 ? 7 : 3)), color: run.x.map((_, i) => (i ? css("--text") : css("--card"))), line: { width: 1, color: css("--text") } },
    hovertext: run.steps.map((step) => `seed ${run.seed}, step ${thousands(step)}`), hoverinfo: "text", showlegend: false,
  }));
  const held = `${Math.round(100 * map.share)} % of the squared distances`;
  const measured = edges.length ? ` CG at the end from ${number(edges[0].value)} (seeds ${pairName(edges[0].pair, cell)}) to ${number(edges.at(-1).value)} (seeds ${pairName(edges.at(-1).pair, cell)})${few ? "" : ", of each run's best"}.` : "";
  draw("map-chart", [...lines, ...runs, dots], { xaxis: axis("distance (L2)"), yaxis: axis("distance (L2)", { scaleanchor: "x" }), hovermode: "closest" },
    `${map.runs.length} runs of ${map.model} on ${map.dataset} by the distances of their checkpoints; two dimensions hold ${held}.${measured}`);
}

function startMap() {
  if (data.maps.length) views.set("map", drawMapOfRuns);
}
