// The loss on planes through three checkpoints.

function drawPlanes() {
  const own = data.planes.map((plane, i) => [i, plane]).filter(([, plane]) => plane.model === state.model && plane.dataset === state.dataset);
  fill($("planes-plane"), own.map(([i, plane]) => [i, plane.corners]));
  if (!own.length) return nothing("planes-chart", `No plane was measured of ${state.model} on ${state.dataset}.`);
  const plane = data.planes[Number($("planes-plane").value)], { quantity } = state;
  const column = quantity === "loss" ? 2 : 3, corners = ["a", "b", "c"].filter((name) => plane.places[name]);
  const title = `test ${QUANTITY[quantity]}`, curve = plane.curve; // where the third is the bend of one
  const mean = curve ? null : plane.places.mean, ring = curve ? ["a", "b"] : [...corners, corners[0]];
  const place = (name) => `${name}: ${number(plane.places[name][column])}`;
  const names = plane.name.split("-").map((corner) => corner.replace(/\.(\d+)$/, ", step $1"));
  // One scale for all planes of a data set, so that they can be compared.
  const every = data.planes.filter((other) => other.dataset === plane.dataset).flatMap((other) => other[quantity].flat());
  const scale = { zmin: Math.min(...every), zmax: Math.max(...every), autocontour: false };
  const levels = corners.map((name) => plane.places[name][column]);
  draw("planes-chart", [
    { type: "contour", x: plane.x, y: plane.y, z: plane[quantity], colorscale: scaleOf(CIVIDIS), name: title, ...scale, contours: { start: scale.zmin, end: scale.zmax, size: (scale.zmax - scale.zmin) / 16 || 1 }, colorbar: { title: { text: title, side: "right" } }, hovertemplate: `${title} %{z:.4f}<extra></extra>` },
    // Where the value is that of one of the three.
    ...levels.map((level) => ({ type: "contour", x: plane.x, y: plane.y, z: plane[quantity], autocontour: false, contours: { coloring: "none", start: level, end: level, size: 1 }, line: { color: "#fff", width: 1, dash: "dash" }, showscale: false, showlegend: false, hoverinfo: "skip" })),
    { x: ring.map((n) => plane.places[n][0]), y: ring.map((n) => plane.places[n][1]), mode: "lines+markers+text", text: ring.map((n, i) => (i < 3 ? n : "")), textposition: "top center", textfont: { color: "#fff", size: 15, shadow: "1px 1px 2px #000, -1px -1px 2px #000" }, line: { color: "#fff", width: 1.2 }, marker: { size: 9, color: "#fff", line: { color: "#000", width: 1 } }, hovertext: ring.map((n) => `seed ${names[corners.indexOf(n)]}<br>${place(n)}`), hoverinfo: "text", showlegend: false },
    ...(curve ? [
      { x: curve[0], y: curve[1], mode: "lines", line: { color: "#D55E00", width: 2.5 }, name: curve[2], hovertext: curve[2], hoverinfo: "text", showlegend: false },
      { x: [plane.places.c[0]], y: [plane.places.c[1]], mode: "markers", marker: { symbol: "diamond-open", size: 10, color: "#fff" }, hovertext: [`bend<br>${place("c")}`], hoverinfo: "text", showlegend: false },
    ] : []),
    ...(mean ? [{ x: [mean[0]], y: [mean[1]], mode: "markers", marker: { symbol: "star", size: 14, color: "#EE6677", line: { color: "#000", width: 1 } }, hovertext: [`mean of the three<br>${place("mean")}`], hoverinfo: "text", showlegend: false }] : []),
  ], { xaxis: axis("distance from a towards b (L2)"), yaxis: axis("distance across (L2)", { scaleanchor: "x" }), hovermode: "closest" },
    `${title} on the plane through ${names.map((n, i) => `${"abc"[i]} (${i < 2 || !curve ? "seed" : "bend of"} ${n})`).join(", ")} of ${plane.model} on ${plane.dataset}: ${corners.map(place).join(", ")}${mean ? `, their mean ${number(mean[column])}` : ""}; on the grid from ${number(Math.min(...plane[quantity].flat()))} to ${number(Math.max(...plane[quantity].flat()))}.`);
}

function startPlanes() {
  if (!data.planes.length) return;
  onChange(["planes-plane"], drawPlanes);
  views.set("planes", drawPlanes);
}
