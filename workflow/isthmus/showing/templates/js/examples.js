// Which examples make the barrier: how far the loss of each rises where the gap is, against its loss at the ends.

const CLASS_MARKS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross"];

/** A trace a class. */
function exampleTraces(cell, points) {
  const names = points.class ? cell.classes : ["blocks"];
  return names.map((name, place) => {
    const mine = points.id.map((_, i) => i).filter((i) => !points.class || points.class[i] === place);
    return {
      x: mine.map((i) => points.end[i] * cell.unit), y: mine.map((i) => points.rise[i] * cell.unit), name: plain(name), mode: "markers", showlegend: Boolean(points.class),
      text: mine.map((i) => `${points.id[i]}`), marker: { size: 6, color: shade(SET_COLOURS[place % SET_COLOURS.length], 0.7), symbol: CLASS_MARKS[place % CLASS_MARKS.length] },
      hovertemplate: `<b>${plain(name)}</b>, ${points.class ? "example" : "block"} %{text}<br>loss at the ends %{x:.4f}<br>rise %{y:.4f}<extra></extra>`,
    };
  }).filter((trace) => trace.x.length);
}

function drawExamplesOf(cell, all) {
  const own = $("examples-pair").checked && all[state.pair], points = own ? all[state.pair] : all.all;
  const of = own ? `seeds ${pairName(state.pair, chosenCell())}` : cell.gaps > 1 ? `mean over ${cell.gaps} pairs of seeds` : "the one pair of seeds with a gap";
  const unit = points.class ? "examples" : "blocks", per = points.class ? "nats" : "nats a token";
  const shares = points.shares.map(([share, count, part]) => `the most rising ${number(100 * share, 0)} % (${thousands(count)}) make ${number(100 * part, 0)} % of the gap`);
  const drawn = points.id.length < points.of ? ` ${thousands(points.id.length)} of ${thousands(points.of)} are drawn: the ${thousands(points.largest)} that move most, the others at random.` : "";
  draw("examples-chart", exampleTraces(cell, points), {
    xaxis: axis(`mean test loss at the two ends (${per})`, { zeroline: false }), yaxis: axis(`rise above the chord (${per})`), hovermode: "closest",
  }, `Each of ${thousands(points.of)} test ${unit} of ${cell.model} on ${cell.dataset}, step ${thousands(cell.step)}, ${of}: ${shares.join("; ")}.${drawn}`);
}

function drawExamples() {
  const cell = data.examples.find((own) => own.model === state.model && own.dataset === state.dataset);
  if (!cell) return nothing("examples-chart", `No pair of ${state.model} on ${state.dataset} has a gap at its last step, or which examples make it was not measured.`);
  $("examples-pair").disabled = !cell.pairs.includes(state.pair);
  const points = blockOf(`examples-${cell.cell}`);
  return points instanceof Promise ? points.then(drawExamples) : drawExamplesOf(cell, points);
}

function startExamples() {
  if (!data.examples?.length) return;
  onChange(["examples-pair"], drawExamples);
  views.set("examples", drawExamples);
}
