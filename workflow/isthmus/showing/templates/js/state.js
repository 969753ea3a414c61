// What the page shows: chosen once for all sections and kept in its address, so that a view can be cited.

const state = { at: "answer" }; // the section in sight, and for each of these what is chosen
const CHOSEN = ["dataset", "model", "step", "pair", "set", "quantity"];

const stepsOn = (dataset) => [...new Set(cellsOn(dataset).flatMap((cell) => cell.steps))].sort((a, b) => a - b);
const chosenCell = () => data.cells[cellOf(state.dataset, state.model)];

/** The place of the chosen step in a list of steps: of those before it the last where it is none of them. */
function stepIn(steps) {
  const before = steps.findLastIndex((step) => step <= state.step);
  return Math.max(0, before);
}

/** What can be chosen, for each switch: [[value, text]]. */
function choices() {
  const cells = cellsOn(state.dataset), cell = chosenCell();
  return {
    dataset: same(datasets),
    model: same(cells.map((c) => c.model)),
    step: stepsOn(state.dataset).map((step) => [step, thousands(step)]),
    pair: PAIRS.map((_, pair) => [pair, pairName(pair, cell)]),
    set: same(setsOf(cells)),
    quantity: Object.entries(QUANTITY),
  };
}

/** Choose; what can no longer be chosen beside it becomes what can be. */
function choose(changes) {
  Object.assign(state, changes);
  if (!datasets.includes(state.dataset)) state.dataset = datasets[0];
  const models = cellsOn(state.dataset).map((cell) => cell.model);
  if (!models.includes(state.model)) state.model = models[0];
  const steps = stepsOn(state.dataset);
  state.step = steps[stepIn(steps)];
  if (!PAIRS[state.pair]) state.pair = 0;
  const sets = setsOf(cellsOn(state.dataset));
  if (!sets.includes(state.set)) state.set = sets.includes("test") ? "test" : sets[0] ?? "test";
  if (!Object.hasOwn(QUANTITY, state.quantity)) state.quantity = "loss";
}

/** Where the page opens: the first cell that was measured, its last step, the first pair there. */
function firstChoice() {
  const cell = data.cells.find((c) => Object.keys(c.stats).length) ?? data.cells[0];
  const gaps = Object.values(cell.gaps)[0]?.loss ?? [];
  const place = Math.max(0, gaps.findLastIndex(known));
  choose({ dataset: cell.dataset, model: cell.model, step: cell.steps[place], pair: Math.max(0, gaps[place]?.findIndex(known) ?? 0) });
}

// ------------------------------------------------------------------------------------------- the address

/** The choice as the end of an address; seeds, not places, so that it means the same on a page of more runs. */
function address() {
  const own = Object.fromEntries(CHOSEN.map((name) => [name, state[name]]));
  own.pair = (PAIRS[state.pair] ?? []).map((place) => data.seeds[place]).join("~");
  return `#${new URLSearchParams({ at: state.at, ...own })}`;
}

/** What an address names; null where it names a section alone. */
function addressed(hash) {
  if (!hash.includes("=")) return null;
  const own = Object.fromEntries(new URLSearchParams(hash.slice(1)));
  const found = Object.fromEntries(CHOSEN.filter((name) => own[name]).map((name) => [name, own[name]]));
  if (found.step) found.step = Number(found.step);
  if (found.pair) found.pair = PAIRS.findIndex((pair) => pair.map((place) => data.seeds[place]).join("~") === found.pair);
  return { ...found, at: $(own.at) ? own.at : "answer" };
}

const keepAddress = () => history.replaceState(null, "", address());

/** Follow an address, at the start and where a link or the reader changes it. */
function follow() {
  const found = addressed(location.hash), section = location.hash.slice(1);
  if (found) choose(found);
  else if (section && $(section)) state.at = section; // where the browser goes by itself
  show();
  if (found && state.at !== "answer") $(state.at).scrollIntoView();
}

// ------------------------------------------------------------------------------------------- the switches

/** Put the choice into the switches, and draw what it changes. */
function show() {
  for (const [name, options] of Object.entries(choices())) {
    const select = $(`choose-${name}`);
    fill(select, options);
    select.value = String(state[name]);
  }
  const cell = chosenCell();
  $("chosen").textContent = `Shown: ${state.model} on ${state.dataset}, step ${thousands(state.step)}, seeds ${pairName(state.pair, cell)}, ${state.set} ${QUANTITY[state.quantity]}.`;
  keepAddress();
  redraw();
}

/** Choose, and show it everywhere. */
function choosing(changes) {
  choose(changes);
  show();
}

/** The link of the section in sight is marked, and its name stands in the address. */
function markSection() {
  const sections = [...document.querySelectorAll("main > section")];
  const above = sections.filter((section) => section.getBoundingClientRect().top < innerHeight / 3);
  const bottom = scrollY > 0 && innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  const at = (bottom ? sections.at(-1) : above.at(-1) ?? sections[0]).id;
  for (const link of document.querySelectorAll("nav a")) {
    const own = link.getAttribute("href") === `#${at}`;
    if (own && link.getAttribute("aria-current") !== "true") link.parentElement.scrollTo({ left: link.offsetLeft - 80 });
    if (own) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  if (state.at === at) return;
  state.at = at;
  keepAddress();
}

function startState() {
  firstChoice();
  for (const name of CHOSEN) {
    $(`choose-${name}`).addEventListener("change", (event) => {
      const value = event.target.value;
      choosing({ [name]: name === "step" || name === "pair" ? Number(value) : value });
    });
  }
  $("copy-link").addEventListener("click", async () => {
    keepAddress();
    await copy(location.href);
    $("copied-link").textContent = "Copied.";
  });
  let waiting = null; // browsers refuse addresses that change too often
  addEventListener("scroll", () => { waiting ??= setTimeout(() => { waiting = null; markSection(); }, 150); }, { passive: true });
  addEventListener("hashchange", follow);
  follow();
  markSection();
  // So that they are at hand when the page is printed.
  curvesOf(data.cells.indexOf(chosenCell()));
  blockOf(`examples-${data.cells.indexOf(chosenCell())}`);
}
