"""The documentation that is made from the code, and the links between pages."""

import ast
import re
import runpy
from pathlib import Path

import pytest
import snakemake
import yaml
from isthmus.experiment.config import load

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for folder in (".", "docs", "config") for path in (ROOT / folder).glob("*.md"))


def test_pages_of_settings_are_current():
    maker = runpy.run_path(str(ROOT / "docs" / "settings.py"))
    for name, made in {
        "docs/settings.md": maker["page"](),
        "config/README.md": maker["short_page"](),
    }.items():
        assert (ROOT / name).read_text(encoding="utf-8") == made, "run `make docs`"


def test_the_workflow_catalogue_finds_what_it_wants():
    """What its page on adding workflows asks for, and what `snakedeploy` copies."""
    settings = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert set(settings) == {"software-stack-deployment", "report"}
    assert set(settings["software-stack-deployment"]) == {"conda", "apptainer", "apptainer+conda"}
    assert (ROOT / "workflow" / "Snakefile").is_file()
    assert list((ROOT / "workflow" / "rules").glob("*.smk"))
    assert (ROOT / "config" / "config.yaml").resolve() == ROOT / "config.yaml"
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme
    assert "workflow" in readme


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


def test_the_recipes_for_contributors_name_what_is_there():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = [path.as_posix() for folder in ("workflow", "tests") for path in (ROOT / folder).rglob("*.py")]
    named = re.findall(r"`([\w/]+\.py)`(?:, `([\w.]+)`)?", page)
    assert len(named) > 30
    found = {name: [path for path in files if path.endswith(f"/{name}")] for name, _ in named}
    assert [name for name, paths in found.items() if not paths] == []
    words = [(name, word.split(".")[-1]) for name, word in named if word]
    assert [
        one for one in words if not any(one[1] in Path(p).read_text("utf-8") for p in found[one[0]])
    ] == []
    folders = re.findall(r"`(tests/\w+/)`", page)
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def texts(module: Path) -> list[str]:
    """The texts in a module, those of several lines as one; `…` stands for what is filled in."""
    tree = ast.walk(ast.parse(module.read_text(encoding="utf-8")))
    return [text_of(node) for node in tree if isinstance(node, ast.Constant | ast.JoinedStr)]


def text_of(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


def explained() -> list[str]:
    """The messages that the page on failures explains."""
    page = " ".join((ROOT / "docs" / "when_something_fails.md").read_text(encoding="utf-8").split())
    return re.findall(r"\*\*`(.+?)`\*\*", page)


# Whose messages come before the workflow is read, or are about locks.
OF_SNAKEMAKE = [Path(snakemake.__file__).parent / name for name in ("exceptions.py", "common/configfile.py")]


def test_messages_that_are_explained_are_messages_of_the_code():
    plain_python = ROOT / "workflow" / "rules" / "library.smk"
    modules = [*(ROOT / "workflow").rglob("*.py"), plain_python, *OF_SNAKEMAKE]
    said = [text for module in modules for text in texts(module)]
    assert len(explained()) > 60
    assert [one for one in explained() if not any(fits(one, text) for text in said)] == []


def fits(explained: str, text: str) -> bool:
    """Whether a text has the explained words in it, `…` for anything."""
    pattern = ".*".join(map(re.escape, explained.split("…")))
    return re.search(pattern, text, re.DOTALL) is not None


# What ends a run, or what was trained; a new one needs a line on the page.
ENDING = ("MismatchedEnds", "TrainingFailed", "GivenUp", "LockLost", "DiskFull", "Damaged")
ENDING += ("AlignmentFailed",)


def raised(module: Path) -> list[str]:
    """The messages that a module raises as one of `ENDING`."""
    calls = [
        node.exc
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    ]
    named = [call.args[0] for call in calls if getattr(call.func, "id", "") in ENDING and call.args]
    return [text_of(node) for node in named if isinstance(node, ast.Constant | ast.JoinedStr)]


def test_what_ends_a_run_is_explained():
    messages = [text for module in (ROOT / "workflow").rglob("*.py") for text in raised(module)]
    assert len(messages) > 4
    assert [text for text in messages if not any(fits(one, text) for one in explained())] == []
