"""Colours that can be read: on a light ground and on a dark one, 4.5 : 1 at least (WCAG 2.2, 1.4.3)."""

from collections.abc import Iterable, Mapping
from typing import Any

GROUNDS = {"light": "#f5f6f4", "dark": "#1e2226"}  # the cards of `templates/report.css`, on which they stand
ENOUGH = 4.5


def channels(colour: str) -> tuple[int, ...]:
    """Red, green and blue of `#rrggbb`, 0 to 255."""
    return tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))


def luminance(rgb: Iterable[int]) -> float:
    """The relative luminance, 0 to 1."""
    linear = (c / 255 / 12.92 if c <= 0.04045 * 255 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb)
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: Iterable[int], b: Iterable[int]) -> float:
    """That of two colours: 1 to 21."""
    deep, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (deep + 0.05)


def readable(colour: str, scheme: str) -> str:
    """A colour on a scheme's ground, moved towards black or white as far as need be."""
    own, ground, to = channels(colour), channels(GROUNDS[scheme]), 0 if scheme == "light" else 255
    for percent in range(0, 101, 2):
        moved = [round(c + percent / 100 * (to - c)) for c in own]
        if contrast(moved, ground) >= ENOUGH:
            break
    return "#{:02x}{:02x}{:02x}".format(*moved)


def variables(models: Mapping[str, Mapping[str, Any]]) -> str:
    """Style sheet: a variable `--model-<place>` a model, for both schemes."""

    def rules(scheme):
        looks = enumerate(models.values())
        return " ".join(f"--model-{place}: {readable(look['colour'], scheme)};" for place, look in looks)

    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root:not(.paper) {{ {rules('dark')} }} }}"
    return f":root {{ {rules('light')} }}\n{dark}\n"
