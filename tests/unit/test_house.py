"""The rules of the house: where imports stand, how long functions are, what the map shows."""

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "workflow" / "isthmus"
LONGEST = 44  # lines of a function in the folders that train and measure
SHORT = ("training", "space", "measuring", "caches", "tasks")


def functions(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def inner_imports(path: Path) -> dict[int, bool]:
    """The lines of imports inside functions, and whether a comment, beside them or above, says why."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found: dict[int, bool] = {}
    for line in sorted(
        node.lineno
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ):
        above = lines[line - 2].lstrip().startswith("#")
        found[line] = "#" in lines[line - 1] or above or found.get(line - 1, False)
    return found


def test_few_imports_stand_inside_functions_and_each_says_why():
    found = {
        f"{path.relative_to(LIBRARY)}:{line}": reason
        for path in LIBRARY.rglob("*.py")
        for line, reason in inner_imports(path).items()
    }
    assert [place for place, reason in found.items() if not reason] == []
    assert len(found) <= 15, found


@pytest.mark.parametrize("folder", SHORT)
def test_functions_that_train_and_measure_fit_a_screen(folder):
    lengths = {
        f"{path.name}:{function.name}": function.end_lineno - function.lineno + 1
        for path in (LIBRARY / folder).glob("*.py")
        for function in functions(path)
    }
    assert lengths, f"no function in {folder}/"
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_folder_and_module_says_what_it_is():
    paths = [*LIBRARY.rglob("*.py")]
    assert [p for p in paths if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))] == []


def test_the_map_shows_what_is_there(monkeypatch):
    monkeypatch.chdir(LIBRARY.parent)
    house = runpy.run_path(str(ROOT / "docs" / "house.py"))
    page = house["PAGE"].read_text(encoding="utf-8")
    assert page == house["page"](), "run `make docs`"
    assert "errors" in page


def test_the_maps_arrows_leave_out_only_what_follows():
    needed = runpy.run_path(str(ROOT / "docs" / "house.py"))["needed"]
    assert needed({("a", "b"), ("b", "c"), ("a", "c")}) == {("a", "b"), ("b", "c")}
    assert needed({("a", "b"), ("a", "c")}) == {("a", "b"), ("a", "c")}


def test_nobody_below_uses_private_names_of_another_module():
    """`module._name` and `from module import _name` reach behind a door."""
    found = []
    for path in LIBRARY.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        modules = {
            alias.asname or alias.name
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("isthmus")
            for alias in node.names
        }
        reached = re.findall(r"\b(\w+)\.(_[a-z]\w*)", text)
        found += [f"{path.name}: {name}" for name in modules if name.startswith("_")]
        found += [f"{path.name}: {owner}.{name}" for owner, name in reached if owner in modules]
    assert found == []


HEAVY = ("torch", "transformers", "scipy.stats", "datasets")


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("measuring.evaluation", (*HEAVY, "scipy", "pandas")),
        ("measuring.rises", (*HEAVY, "scipy", "pandas")),
        ("training.finetuning", HEAVY[1:]),
        ("measuring.interpolation", HEAVY[1:]),
        ("data.subsets", (*HEAVY, "scipy", "pandas")),
        ("data.breakdowns", (*HEAVY, "scipy", "pandas")),
        ("statistics.connectivity", HEAVY),
        ("statistics.basins", HEAVY),
        ("statistics.barriers", HEAVY),
        ("showing.tables", HEAVY),
    ],
)
def test_what_starts_again_and_again_starts_light(module, heavy):
    code = f"import sys, isthmus.{module}; print(*(name for name in {heavy} if name in sys.modules))"
    environment = {"PYTHONPATH": str(LIBRARY.parent), "PATH": ""}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (found.returncode, found.stdout.strip()) == (0, ""), found.stdout + found.stderr
