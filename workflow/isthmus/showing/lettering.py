"""Text in figures: how wide it is, where its lines are broken, where a name finds room beside its point."""

import re

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

# The first font comes with Matplotlib, so that text has one size everywhere. An SVG names them all: where it
# is opened the next ones stand in, Verdana first, which is as wide.
FONTS = ("DejaVu Sans", "Verdana", "Geneva", "Arial", "Helvetica")
BOX = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8}  # behind text on colours
AMPLE = 24  # names that find room beside their points
LEADER = {"arrowstyle": "-", "linewidth": 0.4, "color": "#555555", "shrinkA": 0}


def width(text: str, size: float) -> float:
    """How wide a line of text is at a font size, both in points."""
    return text_to_path.get_text_width_height_descent(
        text, FontProperties(family=FONTS[0], size=size), False
    )[0]


def wrapped(text: str, room: float, size: float) -> str:
    """A text in lines of at most `room` points.

    It is broken between words, and words that are wider after the marks that names are made of, or anywhere.
    """
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            joined = f"{line} {word}".strip()
            if width(joined, size) <= room:
                line = joined
                continue
            lines += [line] if line else []
            *full, line = _pieces(word, room, size)
            lines += full
        lines.append(line)
    return "\n".join(lines)


def _pieces(word: str, room: float, size: float) -> list[str]:
    """A word in pieces of at most `room` points."""
    pieces = [""]
    for part in re.split(r"(?<=[_/-])|(?<=\.)(?=\D)", word):
        if width(pieces[-1] + part, size) > room and pieces[-1]:
            pieces.append("")
        for letter in part:
            if width(pieces[-1] + letter, size) > room and pieces[-1]:
                pieces.append("")
            pieces[-1] += letter
    return pieces


def beside(axis, points, size=7):
    """Write names beside points, so that no two overlap; a name that stands far off has a line to its point.

    To be called when panels have their final place (`draw_without_rendering`). A name without room is left
    out.

    Args:
        points: (x, y, name) of each.
    """
    scale = axis.figure.dpi / 72
    places = [axis.transData.transform(point[:2]) / scale for point in points]  # in points, as font sizes are
    taken = [(x - 2.5, y - 2.5, x + 2.5, y + 2.5) for x, y in places]
    (left, bottom), (right, top) = axis.get_window_extent().get_points() / scale
    for (x, y), point in zip(places, points, strict=True):
        half = np.array([width(point[2], size) / 2 + 0.5, 0.55 * size])
        for shift in _around(half):
            middle = np.array([x, y]) + shift
            (x0, y0), (x1, y1) = middle - half, middle + half
            inside = left <= x0 and x1 <= right and bottom <= y0 and y1 <= top
            if inside and all(x1 <= a or x0 >= c or y1 <= b or y0 >= d for a, b, c, d in taken):
                taken.append((x0, y0, x1, y1))
                far = np.hypot(*(np.abs(shift) - half).clip(0)) > 5
                look = {"ha": "center", "va": "center", "fontsize": size, "bbox": BOX}
                look |= {"arrowprops": LEADER} if far else {}
                axis.annotate(point[2], point[:2], shift, textcoords="offset points", **look)
                break


def by_seed(panels) -> str:
    """What the names beside points are, in words; of very many points some find no room.

    Args:
        panels: (axis, points) of each, as `beside` is given them.
    """
    ample = all(len(points) <= AMPLE for _, points in panels)
    return "each run by its seed" if ample else "runs by their seeds, where these have room"


def _around(half):
    """Where a name may stand relative to its point: right, left, above, below, then ever further away."""
    for gap in (3, 6, 10, 15, 21, 28, 36, 45, 55):
        for angle in np.pi * np.array([0.25, 0.75, 1.75, 1.25, 0, 1, 0.5, 1.5]):
            direction = np.array([np.cos(angle), np.sin(angle)])
            yield direction * gap + np.sign(np.round(direction, 6)) * half
