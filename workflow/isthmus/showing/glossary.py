"""Words of the field and of this project, explained where they stand: at hover, or at focus by keyboard."""

import re

from markupsafe import Markup, escape

MEANINGS = {
    "convexity gap": "How far the loss rises above the chord of any part of the path, at most.",
    "CG": "Convexity gap: how far the loss rises above the chord of any part of the path, at most.",
    "barrier height": "How far the loss rises above the chord between the two models, at most.",
    "BH": "Barrier height: how far the loss rises above the chord between the two models, at most.",
    "chord": "The straight line, in a plot of the loss, between the losses of two points of the path.",
    "chords": "Straight lines, in a plot of the loss, between the losses of two points of the path.",
    "envelope": "The highest convex curve under the loss: what a string pulled tight from below would be.",
    "nested estimator": "A value from a fixed number of points a level, as the source paper computes it.",
    "cross-fitted": "Chosen on one half of the evaluation units and measured on the other, both ways.",
    "evaluation units": "What a bootstrap draws again: the examples, or blocks of running text.",
    "ladder": "One architecture at several amounts of pre-training.",
    "Ladder": "One architecture at several amounts of pre-training.",
    "rungs": "The amounts of pre-training of a ladder, each a model.",
    "majority class": "The most frequent class: what always naming it would score, a model has to beat.",
    "basin": "Runs between which there is hardly a barrier, found by clustering their gaps.",
    "soup": "One model whose weights are the mean of those of several runs.",
    "ensemble": "The mean of several runs’ probabilities: as many evaluations as runs.",
    "bend": "A trained point between two models that draws the curve between them to itself.",
    "aligned": "With the units of the second model in the order of the first’s: the same function.",
    "α": "The place on the path: 0 is the first model, 1 the second.",
}
_TERM = re.compile("|".join(rf"(?<!\w){re.escape(term)}(?!\w)" for term in sorted(MEANINGS, key=len)[::-1]))


class Glossary:
    """Explains these words in the texts of a page; by keyboard each is reached where it first stands."""

    def __init__(self):
        self.reached: set[str] = set()

    def __call__(self, text: str | Markup) -> Markup:
        """A text with these words explained; escaped, unless it is `Markup`, whose tags stay as they are."""
        parts = re.split(r"(<[^>]*>)", str(escape(text)))
        return Markup("".join(p if p.startswith("<") else _TERM.sub(self._mark, p) for p in parts))

    def _mark(self, match: re.Match) -> str:
        meaning = MEANINGS[match[0]]
        focus = "" if meaning in self.reached else ' tabindex="0"'
        self.reached.add(meaning)
        return f'<span class="term"{focus} data-means="{escape(meaning)}">{match[0]}</span>'
