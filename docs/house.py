"""Write the map of the library into docs/design.md, from its docstrings and imports: `make docs`."""

import ast
import re
from pathlib import Path

import grimp

PAGE = Path(__file__).with_name("design.md")
LIBRARY = Path(__file__).parents[1] / "workflow" / "isthmus"
PLACE = re.compile(r"(<!-- the house: made by `make docs` -->\n).*?(<!-- the end of it -->)", re.DOTALL)


def folders() -> list[Path]:
    """The library's folders."""
    return sorted(path.parent for path in LIBRARY.glob("*/__init__.py"))


def first_sentence(path: Path) -> str:
    """The beginning of a module's docstring, in one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return " ".join(text.split("\n\n")[0].split())


def arrows() -> set[tuple[str, str]]:
    """The pairs of folders of which the first imports from the second."""
    graph = grimp.build_graph("isthmus", cache_dir=None)
    folder_of = {
        module: module.split(".")[1]
        for module in graph.modules
        if module.count(".") > 1 and (LIBRARY / module.split(".")[1]).is_dir()
    }
    return {
        (folder_of[module], folder_of[imported])
        for module in folder_of
        for imported in graph.find_modules_directly_imported_by(module)
        if imported in folder_of and folder_of[imported] != folder_of[module]
    }


def needed(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The arrows without those that a way over other arrows replaces."""

    def reached(start: str, without: tuple[str, str]) -> set[str]:
        seen, waiting = set(), [start]
        while waiting:
            here = waiting.pop()
            ahead = {b for a, b in pairs if a == here and (a, b) != without} - seen
            seen |= ahead
            waiting.extend(ahead)
        return seen

    return {pair for pair in pairs if pair[1] not in reached(pair[0], pair)}


def house() -> str:
    """The map: a picture of the folders' imports, and what each folder knows."""
    lines = ["```mermaid", "flowchart TD"]
    lines += [f"    {a} --> {b}" for a, b in sorted(needed(arrows()))]
    lines += ["```", "", "| folder | what it knows |", "| --- | --- |"]
    for folder in folders():
        lines.append(f"| **`{folder.name}/`** | {first_sentence(folder / '__init__.py')} |")
        for module in sorted(path for path in folder.rglob("*.py") if path.stem != "__init__"):
            name = module.relative_to(folder).with_suffix("").as_posix()
            lines.append(f"| `{name}` | {first_sentence(module)} |")
    lines.append(
        "| **beside them** | What every folder may use, and the doors: commands, and modules for programs. |"
    )
    beside = sorted(path for path in LIBRARY.glob("*.py") if path.stem != "__init__")
    lines += [f"| `{module.stem}` | {first_sentence(module)} |" for module in beside]
    return "\n".join(lines) + "\n"


def page() -> str:
    """docs/design.md with the map of today."""
    return PLACE.sub(lambda found: found[1] + house() + found[2], PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
