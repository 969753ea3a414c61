"""Words of the field and of this project, explained where they stand: at hover, or at focus by keyboard."""

import re

from markupsafe import Markup, escape

_CG = "how far the loss rises above the chord of any part of the path, at most"
_BH = "how far the loss rises above the chord between the two models, at most"
# Words that mean one thing, and what they mean.
_MEANINGS = {
    ("convexity gap", "convexity gaps"): f"{_CG.capitalize()}.",
    ("CG",): f"Convexity gap: {_CG}.",
    ("barrier height",): f"{_BH.capitalize()}.",
    ("BH",): f"Barrier height: {_BH}.",
    ("ICG",): "Improved convexity gap: the largest CG of a part of the path. As it is written, equal to CG.",
    ("chord",): "The straight line, in a plot of the loss, between the losses of two points of the path.",
    ("chords",): "Straight lines, in a plot of the loss, between the losses of two points of the path.",
    ("envelope",): "The highest convex curve under the loss: a string pulled tight from below.",
    ("nested estimator",): "A value from a fixed number of points a level, as the source paper computes it.",
    ("cross-fitted",): "Chosen on one half of the evaluation units and measured on the other, both ways.",
    ("evaluation unit", "evaluation units", "test units"): "What a bootstrap draws again: the examples, or "
    "blocks of running text.",
    ("ladder", "Ladder", "ladders"): "One architecture at several amounts of pre-training.",
    ("rungs",): "The amounts of pre-training of a ladder, each a model.",
    ("majority class",): "The most frequent class: what always naming it would score, a model has to beat.",
    ("basin", "basins"): "Runs between which there is hardly a barrier, found by clustering their gaps.",
    ("soup", "soups"): "One model whose weights are the mean of those of several runs.",
    ("greedy soup",): "A mean of weights to which a run is added only where accuracy does not fall.",
    ("ensemble", "ensembles"): "The mean of several runs’ probabilities: as many evaluations as runs.",
    ("bend", "bends"): "A trained point between two models that draws the curve between them to itself.",
    ("aligned",): "With the units of the second model in the order of the first’s: the same function.",
    ("merged weights",): "The base’s weights with the adapter’s product A B added to them.",
    ("disagreement",): "The share of examples (of language models, tokens) that two models predict "
    "differently.",
    ("cell",): "One model on one data set, with all of its runs.",
    ("α",): "The place on the path: 0 is the first model, 1 the second.",
}
MEANINGS = {word: meaning for words, meaning in _MEANINGS.items() for word in words}
_WORDS = (re.escape(word).replace(r"\ ", r"\s") for word in sorted(MEANINGS, key=len)[::-1])
_TERM = re.compile("|".join(rf"(?<!\w){word}(?!\w)" for word in _WORDS))


class Glossary:
    """Explains these words in the texts of a page; by keyboard each is reached where it first stands."""

    def __init__(self):
        self.reached: set[str] = set()

    def __call__(self, text: str | Markup) -> Markup:
        """A text with these words explained; escaped, unless it is `Markup`, whose tags stay as they are."""
        parts = re.split(r"(<[^>]*>)", str(escape(text)))
        return Markup("".join(p if p.startswith("<") else _TERM.sub(self._mark, p) for p in parts))

    def _mark(self, match: re.Match) -> str:
        meaning = MEANINGS[" ".join(match[0].split())]  # a space may be one that does not break
        focus = "" if meaning in self.reached else ' tabindex="0"'
        self.reached.add(meaning)
        return f'<span class="term"{focus} data-means="{escape(meaning)}">{match[0]}</span>'
