"""A headless Chromium, and pages of made-up results opened in it from disk."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from isthmus.showing import page as pages

from tests.unit.synthetic import PROVENANCE, Results, experiment

QUIET = ("background-networking", "component-update", "sync")
FLAGS = ["--no-sandbox", "--no-first-run", "--disable-gpu", *(f"--disable-{what}" for what in QUIET)]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHOSEN = ("dataset", "model", "step", "pair", "set", "quantity")
# Milliseconds; generous, since the tests speak of what the page does and not of how fast.
WAIT = int(os.environ.get("ISTHMUS_WAIT", 300_000))


def program():
    """The browser's place, or None."""
    return os.environ.get("ISTHMUS_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="session")
def chromium():
    """The browser; where there is none, a skip that says so."""
    if program() is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium; ISTHMUS_BROWSER names another)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program(), args=FLAGS)
        yield browser
        browser.close()


class Opened:
    """A page that is open, what it asked the network for, and what it complained of."""

    def __init__(self, browser, path, at="", **context):
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | context)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(WAIT)
        self.requests, self.complaints = [], []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.address = path.resolve().as_uri()
        self.tab.goto(self.address + at)
        self.tab.wait_for_selector("html[data-ready]")

    def look_at(self, section):
        """Bring a section into sight, and wait for its first chart."""
        self.tab.locator(f"#{section}").scroll_into_view_if_needed()
        self.tab.evaluate("name => document.getElementById(name).scrollIntoView()", section)
        self.tab.wait_for_selector(f"#{section} .chart[aria-label]")

    def choose(self, **choices):
        """Set the page's own switches by name, others by their ids (`_` for `-`)."""
        for name, value in choices.items():
            place = f"choose-{name}" if name in CHOSEN else name.replace("_", "-")
            self.tab.select_option(f"#{place}", str(value))

    def words(self, chart):
        return self.tab.get_attribute(f"#{chart}", "aria-label")

    def wait_for_words(self, chart, text):
        script = "([id, text]) => document.getElementById(id)?.getAttribute('aria-label')?.includes(text)"
        self.tab.wait_for_function(script, arg=[chart, text])

    def traces(self, chart):
        """What a chart has drawn, by the names of its traces: {name: {x, y, z}} as lists."""
        script = """id => document.getElementById(id).data.map((t) =>
            ({name: t.name, x: [...(t.x ?? [])], y: [...(t.y ?? [])], z: t.z?.map((row) => [...row])}))"""
        return {trace["name"]: trace for trace in self.tab.evaluate(script, chart)}


def write(results, folder, without=(), lacking=(), units=60):
    """The page of some results; without the rows and frames' parts of those (column, value) pairs."""
    histories, rows = results.save(folder)
    frames = {name: getattr(results, name) for name in pages.FILES}
    for column, value in without:
        frames = {n: f[f[column] != value] if column in f else f for n, f in frames.items()}
        rows = [row for row in rows if f"{column.removesuffix('_b')}{value}" not in row.parts[-1]]
    path = folder / "report.html"
    files = rows, histories, results.planes(folder), results.maps(folder), results.curves(folder)
    examples, (subsets, texts) = results.examples(folder, units), results.data(folder, units)
    beside = {"examples": examples, "subsets": subsets, "texts": texts, "lacking": lacking}
    pages.write(results.experiment, frames, path, PROVENANCE, *files, **beside)
    return path


@pytest.fixture(scope="session")
def results():
    return Results(experiment())


@pytest.fixture(scope="session")
def path(results, tmp_path_factory):
    return write(results, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def shown(path):
    """The page that is looked at in all widths: that of an experiment, ISTHMUS_REPORT, where it is given."""
    return Path(os.environ.get("ISTHMUS_REPORT") or path)


@pytest.fixture(scope="session")
def metrics(path) -> pd.DataFrame:
    return pd.read_csv(path.parent / "metrics.csv")


@pytest.fixture
def open_page(chromium):
    """Opens pages; when the test ends, none of them may have complained or asked for anything but itself."""
    opened = []

    def open_one(path, **context):
        opened.append(Opened(chromium, path, **context))
        return opened[-1]

    yield open_one
    for one in opened:
        one.context.close()
        assert one.complaints == []
        own = (one.address, "data:", "blob:")
        assert [url for url in one.requests if not url.startswith(own)] == []
