// How far the ends of a path are apart, against its gap: "connected" told from "hardly moved".

function farMeasures(cells) {
  const names = { distance: "L2 distance between the ends", distance_a: "L2 distance, start to first end", distance_b: "L2 distance, start to second end", cosine: "cosine of the two updates" };
  const there = [...new Set(cells.flatMap((cell) => Object.keys(cell.ends)))];
  return there.map((name) => [name, names[name] ?? `share of ${name.replace("disagreement_", "")} predictions on which the ends disagree`]);
}

function drawFar() {
  const { dataset, step, quantity, set } = state, cells = cellsOn(dataset), all = $("far-all").checked;
  fill($("far-x"), farMeasures(cells), "distance");
  const x = $("far-x").value;
  const measure = $("far-x").selectedOptions[0]?.text ?? "";
  const words = [];
  const traces = cells.map((cell) => {
    const look = data.models[cell.model], points = [];
    cell.steps.forEach((at, i) => {
      if (!all && step !== at) return;
      const [far, gaps] = [cell.ends[x]?.[i], cell.gaps[set]?.[quantity]?.[i]];
      if (far && gaps) PAIRS.forEach((_, pair) => { if (known(far[pair]) && known(gaps[pair])) points.push([far[pair], gaps[pair], `seeds ${pairName(pair, cell)}, step ${thousands(at)}`]); });
    });
    const range = (k) => `${number(Math.min(...points.map((p) => p[k])), 3)} to ${number(Math.max(...points.map((p) => p[k])), 3)}`;
    if (points.length) words.push(`${cell.model}: ${points.length} pairs, from ${range(0)}, CG from ${range(1)}.`);
    return {
      x: points.map((p) => p[0]), y: points.map((p) => p[1]), text: points.map((p) => p[2]), name: plain(cell.model), mode: "markers", showlegend: true,
      marker: { color: shade(look.colour, points.length > 200 ? 0.5 : 0.85), symbol: look.marker, size: points.length > 200 ? 6 : 9 },
      hovertemplate: `<b>${plain(cell.model)}</b>, %{text}<br>${plain(measure)}: %{x:.4~g}<br>CG %{y:.4f}<extra></extra>`,
    };
  }).filter((trace) => trace.x.length);
  draw("far-chart", traces, { xaxis: axis(measure), yaxis: axis(`CG, ${set} ${QUANTITY[quantity]}`, { rangemode: "tozero" }), hovermode: "closest" },
    words.length ? `CG against ${measure}, on ${dataset}. ${words.join(" ")}` : "Nothing has been measured here.");
}

function startFar() {
  $("far-all").checked = PAIRS.length * Math.max(...datasets.map((dataset) => stepsOn(dataset).length)) <= 1000;
  onChange(["far-x", "far-all"], drawFar);
  views.set("distances", drawFar);
}
