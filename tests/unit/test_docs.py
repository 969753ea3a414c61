"""The documentation that is made from the code, and the links between pages."""

import re
import runpy
from pathlib import Path

import pytest
import yaml
from isthmus.config import load

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_settings_page_is_current():
    made = runpy.run_path(str(ROOT / "docs" / "settings.py"))["page"]()
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == made, "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [link.partition("#")[0] for link in links if "://" not in link]
    assert [link for link in local if link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("README.md", ["reviews"]),
        ("docs/own_checkpoints.md", ["mine"]),
        ("docs/ladders.md", ["climbing", "shifted"]),
    ],
)
def test_the_experiments_of_a_page_are_valid_ones(page, names):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert [load(yaml.safe_load(block)).experiment for block in blocks] == names
