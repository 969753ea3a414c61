// How each pair's gap goes over fine-tuning, and against how good its ends are.

const NAMED = 10; // up to which each pair has a name of its own

/** Whether both ends of a pair have clearly learnt their task at a step's place; null where that is not known. */
function bothLearnt(cell, pair, place) {
  const learnt = PAIRS[pair].map((seed) => cell.runs[seed]?.learnt?.[place] ?? null);
  return learnt.includes(false) ? false : learnt.includes(null) ? null : true;
}

const LEARNT = { true: "", false: "an end has not clearly learnt", null: "not known whether its ends have learnt" };

/** The pairs of a cell that have a gap at any step, and of each [{step, value, place}]. */
function slopesOf(cell) {
  return PAIRS.map((_, pair) => [pair, cell.steps.flatMap((step, place) => {
    const value = gapsAt(cell, place)?.[pair];
    return known(value) ? [{ step, value, place }] : [];
  })]).filter(([, points]) => points.length);
}

function slopeTrace(cell, pair, points, few) {
  const colour = few ? shade(RUN_COLOURS[pair % RUN_COLOURS.length]) : shade(data.models[cell.model].colour, 0.35);
  const symbol = points.map((p) => (bothLearnt(cell, pair, p.place) ? "circle" : "circle-open"));
  return {
    x: points.map((p) => p.step), y: points.map((p) => p.value), name: `seeds ${pairName(pair, cell)}`, mode: "lines+markers", showlegend: few,
    line: { color: colour, width: few ? 2 : 1, dash: ["solid", "dash", "dot"][few ? Math.floor(pair / RUN_COLOURS.length) % 3 : 0] }, marker: { symbol, size: few ? 9 : 5, color: colour, line: { width: 1.5, color: colour } },
    text: points.map((p) => LEARNT[bothLearnt(cell, pair, p.place)]),
    hovertemplate: `seeds ${pairName(pair, cell)}: %{y:.4f}<br>step %{x:,} %{text}<extra></extra>`,
  };
}

function drawSlopes() {
  const cell = chosenCell(), slopes = slopesOf(cell), few = slopes.length <= NAMED;
  const title = `CG, ${state.set} ${QUANTITY[state.quantity]}`;
  if (!slopes.length) return nothing("slope-chart", "No pair was measured here.");
  const traces = slopes.map(([pair, points]) => slopeTrace(cell, pair, points, few));
  if (!few) {
    const mean = cell.stats[state.set]?.[state.quantity]?.CG?.mean ?? [];
    const there = cell.steps.map((step, i) => [step, mean[i]]).filter(([, value]) => known(value));
    traces.push({ x: there.map((p) => p[0]), y: there.map((p) => p[1]), name: `mean of ${slopes.length} pairs`, mode: "lines", line: { color: css("--ink"), width: 3 } });
  }
  const measured = slopes.flatMap(([, points]) => points.map((p) => p.step)), [first, last] = [Math.min(...measured), Math.max(...measured)];
  const course = slopes.filter(([, points]) => points.length > 1).map(([pair, points]) => [pair, points.at(-1).value - points[0].value]);
  const rose = course.filter(([, change]) => change > data.floor).length, fell = course.filter(([, change]) => change < -data.floor).length;
  const count = (learnt) => slopes.filter(([pair, points]) => points.some((p) => bothLearnt(cell, pair, p.place) === learnt)).length;
  const hollow = [[count(false), "an end is not clearly above what it has to beat"], [count(null), "it is not known whether it is"]].filter(([pairs]) => pairs);
  const said = hollow.map(([pairs, why]) => `${why} (in ${pairs} pairs at some step)`).join("; ");
  draw("slope-chart", traces, { xaxis: axis("fine-tuning step (updates)"), yaxis: axis(title, { rangemode: "tozero" }), hovermode: "closest", showlegend: true },
    `${title} of each pair of ${cell.model} on ${cell.dataset}: from step ${thousands(first)} to ${thousands(last)} it rises in ${rose} and falls in ${fell} of ${course.length} pairs. ${said ? `Hollow: ${said}.` : "All ends have clearly learnt their task."}`);
}

/** The mean loss of a pair's ends on the chosen set. */
function endLoss(cell, pair, place) {
  const losses = PAIRS[pair].map((seed) => cell.runs[seed]?.scores[state.set]?.loss?.[place]);
  return losses.every(known) ? (losses[0] + losses[1]) / 2 : null;
}

function skillTraces(cell) {
  const look = data.models[cell.model], slopes = slopesOf(cell), faint = slopes.length > NAMED ? 0.25 : 0.5;
  const dots = slopes.flatMap(([pair, points]) => points.map((p) => ({ ...p, pair, loss: endLoss(cell, pair, p.place) }))).filter((p) => known(p.loss));
  const lines = slopes.length <= 60 ? slopes.map(([pair]) => {
    const own = dots.filter((p) => p.pair === pair);
    return { x: own.map((p) => p.loss), y: own.map((p) => p.value), mode: "lines", line: { color: shade(look.colour, faint), width: 1 }, hoverinfo: "skip", showlegend: false, legendgroup: cell.model };
  }) : [];
  const marks = {
    x: dots.map((p) => p.loss), y: dots.map((p) => p.value), name: plain(cell.model), mode: "markers", legendgroup: cell.model, showlegend: true,
    text: dots.map((p) => `seeds ${pairName(p.pair, cell)}, step ${thousands(p.step)}`),
    marker: { color: shade(look.colour), size: slopes.length > 60 ? 5 : 8, symbol: dots.map((p) => look.marker + (p.step === cell.steps.at(-1) ? "" : "-open")) },
    hovertemplate: `<b>${plain(cell.model)}</b>, %{text}<br>mean end loss %{x:.4f}<br>CG %{y:.4f}<extra></extra>`,
  };
  return dots.length ? [...lines, marks] : [];
}

function drawSkill() {
  const traces = cellsOn(state.dataset).flatMap(skillTraces), title = `CG, ${state.set} ${QUANTITY[state.quantity]}`;
  const words = traces.filter((t) => t.showlegend).map((t) => `${t.name}: ${t.x.length} pairs and steps, mean end loss from ${number(Math.min(...t.x), 3)} to ${number(Math.max(...t.x), 3)}, CG from ${number(Math.min(...t.y), 3)} to ${number(Math.max(...t.y), 3)}.`);
  draw("skill-chart", traces, { xaxis: axis(`mean ${state.set} loss of the two ends (nats)`), yaxis: axis(title, { rangemode: "tozero" }), hovermode: "closest" },
    words.length ? `${title} against the mean loss of the two ends, on ${state.dataset}. ${words.join(" ")}` : "Of no pair both a gap and the losses of its ends are there.");
}
