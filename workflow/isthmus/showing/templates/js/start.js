// Copy buttons, colour schemes, printing, and the start of it all.

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // a browser that keeps its clipboard from pages on disk
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

function startTables() {
  for (const button of document.querySelectorAll("[data-format]")) {
    button.addEventListener("click", async () => {
      const line = button.closest("[data-table]");
      await copy(data.tables[Number(line.dataset.table)][button.dataset.format]);
      line.querySelector("[role=status]").textContent = `Copied as ${button.textContent}.`;
      button.focus();
    });
  }
}

// A section is drawn when it comes near the window: so a page of many pairs opens as fast as one of few.
const NEAR = 400; // pixels around the window
const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const name = entry.target.id;
    if (entry.isIntersecting && stale.delete(name)) views.get(name)();
  }
}, { rootMargin: `${NEAR}px` });

function inSight(element) {
  const box = element.getBoundingClientRect();
  return box.bottom > -NEAR && box.top < innerHeight + NEAR;
}

/** Draw every section again: now where it is in sight, else when it is next seen. */
function redraw() {
  for (const [name, view] of views) {
    sight.observe($(name));
    if (inSight($(name))) {
      stale.delete(name);
      view();
    } else {
      stale.add(name);
    }
  }
}

/** Everything at once, for paper. */
function drawAll() {
  stale.clear();
  for (const view of views.values()) view();
}

function startPaper() {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("paper");
    for (const part of document.querySelectorAll("details:not(.words)")) part.open = true;
    drawAll();
  });
  addEventListener("afterprint", () => { document.documentElement.classList.remove("paper"); redraw(); });
}

/** Open the page: each of these fills the switches of a section and says what draws it. */
async function start(begins) {
  startTables();
  const library = document.createElement("script");
  library.textContent = await unpack($("library").textContent);
  document.head.append(library);
  for (const chart of document.querySelectorAll(".chart[id], .still[id]")) savable(chart.id);
  if (!data.cells.length) return;
  for (const begin of begins) begin();
  startPaper();
}

function openPage(begins) {
  start(begins).then(() => { document.documentElement.dataset.ready = "yes"; }, (error) => {
    $("trouble").hidden = false;
    $("trouble").textContent = `The charts could not be drawn (${error.message}). A browser of 2023 or later is needed.`;
    throw error;
  });
}
