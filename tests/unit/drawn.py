"""What stands in a figure: its texts where they are drawn, and those of its SVG."""

import itertools
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from unittest import mock

from matplotlib import colors
from matplotlib.text import Text

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Drawn:
    """A text with its colour, and its box in pixels."""

    text: str
    colour: str
    box: tuple[float, float, float, float]


def texts(figure) -> list[Drawn]:
    """All texts as they are drawn, those of ticks and legends among them."""
    found = {}
    draw = Text.draw

    def record(self, renderer, *args, **kwargs):
        if self.get_visible() and self.get_text().strip():
            box = Text.get_window_extent(self, renderer).extents  # without what an arrow takes
            found[id(self)] = Drawn(self.get_text(), self.get_color(), tuple(box))
        return draw(self, renderer, *args, **kwargs)

    figure.draw_without_rendering()  # the layout
    with mock.patch.object(Text, "draw", record):
        figure.canvas.draw()
    return list(found.values())


def cut_off(figure, drawn: list[Drawn]) -> list[str]:
    """The texts that reach beyond the figure."""
    width, height = figure.bbox.size
    inside = lambda b: b[0] >= -1 and b[1] >= -1 and b[2] <= width + 1 and b[3] <= height + 1  # noqa: E731
    return [one.text for one in drawn if not inside(one.box)]


def overlapping(drawn: list[Drawn], slack: float = 1.5) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes share more than a rim of `slack` pixels."""

    def meet(p, q):
        return all(min(p[i + 2], q[i + 2]) - max(p[i], q[i]) > slack for i in (0, 1))

    return [(a.text, b.text) for a, b in itertools.combinations(drawn, 2) if meet(a.box, b.box)]


def contrast(one, other="white") -> float:
    """The contrast of two colours as the WCAG define it, 1 to 21."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colors.to_rgb(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def svg_texts(path) -> list[str]:
    """The texts of an SVG, a line each; only what is text there."""
    return ["".join(node.itertext()) for node in ET.parse(path).iter(f"{SVG}text")]
