"""Scripts read what their rule declares, and rules that follow code name what their script imports."""

import ast
import re
from pathlib import Path

import pytest
from isthmus import hashing

WORKFLOW = Path(__file__).parents[2] / "workflow"
SCRIPTS = sorted((WORKFLOW / "scripts").glob("*.py"))
DECLARED = {"input", "output", "params", "wildcards", "resources", "log", "threads"}
# What reads an experiment's files.
LOADERS = {"load", "inputs", "experiment_files", "checked"}


def undeclared(source: str) -> set[str]:
    """What a script takes from elsewhere than its rule's declarations."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "snakemake"
        ):
            found |= {node.attr} - DECLARED
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names} & LOADERS
            found |= {node.module} & {"yaml"}
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & {"yaml"}
        if isinstance(node, ast.Attribute):
            found |= {node.attr} & LOADERS - {"load"}
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_reads_what_its_rule_declares(path):
    assert undeclared(path.read_text()) == set()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("x = snakemake.config", {"config"}),
        ("with a():\n    from isthmus.experiment.config import load", {"load"}),
        ("from isthmus.experiment import inputs", {"inputs"}),
        ("import yaml", {"yaml"}),
        ("a = snakemake.params.k, snakemake.input[0]", set()),
    ],
)
def test_a_script_that_reads_more_is_found(source, names):
    assert undeclared(source) == names


def library_modules(source: str) -> list[str]:
    """The library's modules that a script imports, without settings, whose values are parameters, and without
    what runs a job, which changes no result."""
    modules = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("isthmus"):
            for alias in node.names:
                path = hashing._module(node.module, alias.name).relative_to(hashing.LIBRARY)
                modules.append(".".join(path.with_suffix("").parts))
    return [name for name in modules if not name.startswith("experiment.") and name != "machine.job"]


def rules_with_code() -> dict[str, tuple[list[str], str]]:
    """Of each rule that follows code: the modules that it names, and its script."""
    rules = {}
    for path in (WORKFLOW / "rules").glob("*.smk"):
        for block in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            if code := re.search(r"code=hashing\.of_code\((.*?)\)", block, re.DOTALL):
                script = re.search(r'"\.\./scripts/(\w+)\.py"', block)[1]
                rules[block.partition(":")[0]] = re.findall(r'"(.+?)"', code[1]), script
    return rules


RULES = rules_with_code()


def test_all_cheap_rules_follow_code():
    assert set(RULES) == {"connectivity", "basins", "collect", "findings", "tables", "figures", "report"}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_follows_what_its_script_imports(rule):
    """All of it, and nothing else but templates; how files are sealed changes nothing in them."""
    named, script = RULES[rule]
    source = (WORKFLOW / "scripts" / f"{script}.py").read_text()
    imported = set(hashing.reached(*library_modules(source)))
    followed = {path for path in hashing.reached(*named) if path.suffix == ".py"}
    assert imported ^ followed <= {
        hashing.LIBRARY / name for name in ("stored.py", "hashing.py", "errors.py")
    }
