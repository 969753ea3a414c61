"""Numbers and tables as text: for the eye, as CSV, Markdown and LaTeX."""

import csv
import io
import re
from dataclasses import dataclass

from isthmus.statistics.thresholds import floored

NO_SKILL = "a barrier between two models that learnt nothing means nothing"
_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "_%&#${}"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
        **{"−": "$-$", "†": r"$^\dagger$", "–": "--"},
    }
)
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKS = re.compile(r"[\\`*~$|]|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(\[:]")


@dataclass(frozen=True)
class Block:
    """A table as it is shown: text only, the first column naming the row."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    notes: tuple[str, ...] = ()


def number(value: float, digits: int = 4) -> str:
    """A number for the eye: fixed digits, 0 under the floor, a dash where there is none."""
    if value != value:
        return "–"
    value = floored(value)
    if value == 0:
        return "0"
    text = f"{value:.{digits}f}" if abs(value) >= 0.5 * 10**-digits else f"{value:.0e}"
    return text.replace("-", "−")


def interval(low: float, high: float, digits: int = 4) -> str:
    """An interval in brackets, or nothing where there is none."""
    return "" if low != low or high != high else f"[{number(low, digits)}, {number(high, digits)}]"


def no_skill(accuracy: float, majority: float, language: bool = False) -> str:
    """The warning for a model that has not learnt its task."""
    found, bar = number(accuracy, 3), number(majority, 3)
    if language:
        return (
            f"mean test token accuracy {found} does not beat {bar}, the better of step 0 and the commonest "
            "token: these runs are not clearly better than what they began from."
        )
    return f"mean test accuracy {found} does not beat the majority baseline {bar}; {NO_SKILL}."


def plain_csv(block: Block) -> str:
    """A block as CSV: numbers as other programs read them, empty where there is none."""
    text = io.StringIO()
    signs = str.maketrans({"−": "-"})
    cells = [["" if cell == "–" else cell.translate(signs) for cell in row] for row in block.rows]
    csv.writer(text, lineterminator="\n").writerows([block.header, *cells])
    return text.getvalue()


def markdown(title: str, blocks: list[Block]) -> str:
    """Blocks as a Markdown page, or a part of one where there is no title."""
    parts = [f"# {title}"] if title else []
    for block in blocks:
        ruler = ["---", *["---:"] * (len(block.header) - 1)]
        header, *rows = ([_markdown(cell) for cell in row] for row in (block.header, *block.rows))
        table = "\n".join(f"| {' | '.join(line)} |" for line in (header, ruler, *rows))
        parts += [_markdown(block.caption), table, *map(_markdown, block.notes)]
    return "\n\n".join(parts) + "\n"


def latex(blocks: list[Block]) -> str:
    """Blocks as LaTeX tables to `\\input`; they need no package."""
    return "\n\n".join(map(_latex_table, blocks)) + "\n"


def _markdown(text):
    """A text as Markdown shows it: no HTML, no mark-up, one line. An underscore in a word is none."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()).translate(_HTML))


def _latex(text):
    return " ".join(text.split()).translate(_LATEX)


def _latex_table(block):
    caption = _latex(" ".join([block.caption, *block.notes]))
    cells = [[_latex(cell) for cell in row] for row in (block.header, *block.rows)]
    header, *rows = (rf"{' & '.join(row)} \\" for row in cells)
    lines = [
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(block.header) - 1)}}}",
        *(r"\hline", header, r"\hline", *rows, r"\hline"),
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)
