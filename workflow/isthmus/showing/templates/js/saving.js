// Each chart's data as CSV, and its picture as PNG and SVG.

const SCALE = 3; // of a PNG: some 300 dots an inch at the width of a page

const quoted = (value) => {
  const text = String(value ?? "");
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
const bare = (text) => String(text ?? "").replaceAll(/<br>/g, "; ").replaceAll(/<[^>]*>/g, "").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** The rows of a trace: [series, x, y, z, low, high, label]. */
function traceRows(trace, labels) {
  const name = [trace.meta?.panel, trace.name].filter(Boolean).map(bare).join(", ");
  if (trace.z) {
    return trace.z.flatMap((row, i) => row.flatMap((z, j) => (known(z) ? [[name, labels.x(trace.x?.[j] ?? j), labels.y(trace.y?.[i] ?? i), z, null, null, null]] : [])));
  }
  const { low, high } = trace.meta ?? {};
  const named = [trace.hovertext, trace.text].find(Array.isArray) ?? [];
  return [...trace.x].map((x, i) => [name, x, trace.y[i], null, low?.[i], high?.[i], bare(named[i])]);
}

/** What a chart shows as CSV, a row a mark; columns that it does not have are left out. */
function csvOf(place) {
  const full = place.layout, title = (axis) => bare(full[axis]?.title?.text) || axis[0];
  const named = (axis) => (value) => full[axis]?.ticktext?.[full[axis].tickvals.indexOf(value)] ?? value;
  const rows = place.data.filter((trace) => trace.hoverinfo !== "skip").flatMap((trace) => traceRows(trace, { x: named("xaxis"), y: named("yaxis") }));
  const header = ["series", title("xaxis"), title("yaxis"), "value", "low", "high", "label"];
  const there = header.map((_, i) => i < 3 || rows.some((row) => known(row[i]) && row[i] !== ""));
  return [header, ...rows].map((row) => row.filter((_, i) => there[i]).map(quoted).join(",")).join("\n") + "\n";
}

/** All measured points of the paths of a data set's picture on the test part, as CSV. */
async function pathsCsv(dataset) {
  const rows = [["model", "step", "seeds", "alpha", "loss"]];
  for (const cell of cellsOn(dataset)) {
    for (const [step, pairs] of Object.entries(await curvesOf(data.cells.indexOf(cell)))) {
      for (const [pair, path] of Object.entries(pairs)) {
        for (const { alpha, value } of path.sets.test ? pointsOf(path, "test", "loss") : []) rows.push([cell.model, step, pairName(Number(pair), cell), alpha.toFixed(6), value.toFixed(5)]);
      }
    }
  }
  return `${rows.map((row) => row.map(quoted).join(",")).join("\n")}\n`;
}

/** A picture that stands in the page as it is, with the colours of its styles written into it. */
function svgOf(place) {
  const own = place.querySelector("svg"), copied = own.cloneNode(true);
  const parts = [own, ...own.querySelectorAll("*")], copies = [copied, ...copied.querySelectorAll("*")];
  parts.forEach((part, i) => {
    const style = getComputedStyle(part);
    for (const name of ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-weight", "font-family", "text-anchor"]) copies[i].setAttribute(name, style.getPropertyValue(name));
    copies[i].removeAttribute("class");
  });
  const { width, height } = own.viewBox.baseVal, ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of [["width", width], ["height", height], ["fill", css("--card")]]) ground.setAttribute(name, value);
  copied.prepend(ground);
  for (const [name, value] of [["xmlns", "http://www.w3.org/2000/svg"], ["width", width], ["height", height]]) copied.setAttribute(name, value);
  return `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(copied))}`;
}

/** A picture as dots, on the page's ground. */
async function dotted(svg) {
  const image = new Image();
  image.src = svg;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width * SCALE, image.height * SCALE];
  const on = canvas.getContext("2d");
  on.fillStyle = css("--ground");
  on.fillRect(0, 0, canvas.width, canvas.height);
  on.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

/** A chart as an address that holds it whole. */
function pictured(place, format) {
  if (!place.data) return format === "svg" ? svgOf(place) : dotted(svgOf(place));
  const size = { width: place.clientWidth, height: place.clientHeight }, ground = css("--ground");
  const figure = { data: place.data, layout: { ...place.layout, paper_bgcolor: ground, plot_bgcolor: ground } };
  return Plotly.toImage(figure, { format, ...size, ...(format === "png" ? { scale: SCALE } : {}) });
}

async function save(id, format) {
  const place = $(id), link = document.createElement("a");
  const text = format !== "csv" ? null : place.dataset.dataset ? await pathsCsv(place.dataset.dataset) : csvOf(place);
  link.href = text === null ? await pictured(place, format) : URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = `${data.experiment ?? "compared"}-${id.replace("-chart", "")}.${format}`;
  link.click();
}

/** Put the buttons under a chart. */
function savable(id) {
  const line = document.createElement("p");
  line.className = "save";
  line.append("Save as ");
  for (const format of ["csv", "png", "svg"]) {
    const button = document.createElement("button");
    [button.type, button.textContent, button.id, button.className] = ["button", format.toUpperCase(), `${id}-${format}`, "saves"];
    button.setAttribute("aria-label", `${format.toUpperCase()} of this chart`);
    button.addEventListener("click", () => save(id, format));
    line.append(button, " ");
  }
  $(id).after(line);
}
