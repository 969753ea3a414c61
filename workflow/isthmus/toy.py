"""A toy language with a meaning: a seeded grammar that makes labelled sentence pairs, with no download.

Every sentence speaks of one scene: somebody (the agent) does one thing to somebody or something (the
patient) in one place. A word leaves some possibilities open and rules the others out (`pet` means dog or cat),
so a sentence means a set of scenes, and a pair's label is not invented beside the text but computed from the
two sets. Both sentences of a pair speak of the same scene, as in image-caption entailment: `a big dog` and
`a small dog` contradict each other.
"""

import random
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

TASKS: dict[str, tuple[str, ...]] = {
    "entailment": ("entailment", "neutral", "contradiction"),
    "paraphrase": ("not_paraphrase", "paraphrase"),
}

# A key is a meaning and lists its synonyms; what stands below it is narrower. Branches exclude each other.
ANIMATE = {
    "animal creature": {
        "pet": {"dog hound": {}, "cat kitty": {}},
        "mount": {"horse steed": {}, "donkey ass": {}},
    },
    "person human": {
        "child kid": {"boy lad": {}, "girl lass": {}},
        "adult grownup": {"man gentleman": {}, "woman lady": {}},
    },
}
THINGS = {
    "vehicle": {"car automobile": {}, "bicycle bike": {}},
    "toy plaything": {"ball": {}, "doll puppet": {}},
}
SIZES = {"big large": {}, "small little": {}}
COLOURS = {"black dark": {}, "white pale": {}, "red crimson": {}}
STATES = {"clean spotless": {}, "dirty filthy": {}}
ACTIONS = {
    "moved shifted": {"pushed shoved": {}, "pulled dragged": {}, "lifted raised": {}},
    "noticed perceived": {"watched observed": {}, "heard": {}},
    "followed": {"chased pursued": {}, "trailed": {}},
}
PLACES = {
    "outdoors outside": {"park": {}, "garden yard": {}, "street road": {}, "forest wood": {}},
    "indoors inside": {"kitchen": {}, "hall corridor": {}, "cellar basement": {}, "bedroom": {}},
}
GLUE = ("a", "an", "by", "in", "no", "the", "was")


def _meanings(tree: dict) -> dict[str, frozenset[str]]:
    """Every word of a tree and the set of leaves that it leaves open."""
    words = {}
    for synonyms, below in tree.items():
        inner = _meanings(below)
        leaves = frozenset().union(*inner.values()) if inner else frozenset({synonyms})
        words |= inner | dict.fromkeys(synonyms.split(), leaves)
    return words


_ADJECTIVES = {"size": SIZES, "colour": COLOURS}
# What a sentence can say, slot by slot: word -> possibilities. In the order in which a noun phrase reads.
_SLOTS: dict[str, dict[str, frozenset[str]]] = {
    **{f"agent {name}": _meanings(tree) for name, tree in _ADJECTIVES.items()},
    "agent": _meanings(ANIMATE),
    "action": _meanings(ACTIONS),
    **{f"patient {name}": _meanings(tree) for name, tree in _ADJECTIVES.items()},
    "patient": _meanings(ANIMATE | THINGS),
    "place": _meanings(PLACES),
}
_NEEDED = ("agent", "action", "patient")  # every sentence fills these; adjectives and place may be left out


class Sentence(NamedTuple):
    """What one sentence says: a word for each slot it fills, and whether it denies (`no ...`) that this is so."""

    claims: dict[str, str]
    denied: bool = False

    def open(self, slot: str) -> frozenset[str]:
        """The possibilities that the claims leave open in a slot; all of them where the slot is not filled."""
        words = _SLOTS[slot]
        return words[self.claims[slot]] if slot in self.claims else frozenset().union(*words.values())


def entailment(first: Sentence, second: Sentence) -> str:
    """The entailment label of a pair: how the set of scenes of `first` lies to that of `second`."""
    within = all(first.open(slot) <= second.open(slot) for slot in _SLOTS)
    around = all(first.open(slot) >= second.open(slot) for slot in _SLOTS)
    apart = any(first.open(slot).isdisjoint(second.open(slot)) for slot in _SLOTS)
    # A denial means the complement. Two complements always share a scene, and none lies within a plain claim.
    follows, excluded = {
        (False, False): (within, apart),
        (False, True): (apart, within),
        (True, False): (False, around),
        (True, True): (around, False),
    }[first.denied, second.denied]
    return "entailment" if follows else "contradiction" if excluded else "neutral"


def paraphrase(first: Sentence, second: Sentence) -> str:
    """The paraphrase label of a pair: whether both sentences mean exactly the same scenes."""
    same = first.denied == second.denied and all(first.open(slot) == second.open(slot) for slot in _SLOTS)
    return "paraphrase" if same else "not_paraphrase"


def _read(sentence: Sentence, rng: random.Random) -> str:
    """The sentence in words: active or passive voice, with the place at the end or in front."""
    claims = sentence.claims
    passive = rng.random() < 0.1
    phrases = []
    for role in ("patient", "agent") if passive else ("agent", "patient"):
        words = [claims[slot] for slot in _SLOTS if slot.startswith(role) and slot in claims]
        denied = sentence.denied and not phrases
        phrases.append(" ".join(["no" if denied else "an" if words[0][0] in "aeiou" else "a", *words]))
    text = f"{phrases[0]} was {claims['action']} by {phrases[1]}" if passive else f" {claims['action']} ".join(phrases)
    if "place" in claims:
        place = claims["place"]
        place = place if place in PLACE_ADVERBS else f"in the {place}"
        text = f"{place} {text}" if rng.random() < 0.1 else f"{text} {place}"
    return text


PLACE_ADVERBS = {word for words in PLACES for word in words.split()}


def _draw(rng: random.Random) -> Sentence:
    """A random sentence."""
    rates = {slot: 1.0 if slot in _NEEDED else 0.6 if slot == "place" else 0.2 for slot in _SLOTS}
    claims = {slot: rng.choice(list(words)) for slot, words in _SLOTS.items() if rng.random() < rates[slot]}
    return Sentence(claims, rng.random() < 0.1)


def _retell(sentence: Sentence, rng: random.Random) -> Sentence:
    """A random sentence about the same things: some words exchanged for related ones, dropped or added."""
    claims = dict(sentence.claims)
    for slot in list(claims):
        if rng.random() < 0.3:
            same = [word for word, leaves in _SLOTS[slot].items() if leaves == sentence.open(slot)]
            claims[slot] = rng.choice(same)
    for _ in range(rng.choice((0, 1, 1, 2))):
        slot = rng.choice(list(_SLOTS))
        words = _SLOTS[slot]
        if slot not in claims:
            claims[slot] = rng.choice(list(words))
            continue
        here = words[claims[slot]]
        related = {
            "broader": [word for word, leaves in words.items() if leaves > here],
            "narrower": [word for word, leaves in words.items() if leaves < here],
            "other": [word for word, leaves in words.items() if leaves.isdisjoint(here)],
            "left out": [None] if slot not in _NEEDED else [],
        }
        word = rng.choice(related[rng.choice([name for name, found in related.items() if found])])
        if word is None:
            del claims[slot]
        else:
            claims[slot] = word
    if rng.random() < 0.1 and claims["patient"] in _SLOTS["agent"]:  # who did what to whom
        claims["agent"], claims["patient"] = claims["patient"], claims["agent"]
    return Sentence(claims, sentence.denied != (rng.random() < 0.1))


def _overlap(first: Sentence, second: Sentence) -> float:
    """The share of content words that two sentences have in common, 0 to 1."""
    a, b = set(first.claims.values()), set(second.claims.values())
    return len(a & b) / len(a | b)


def _pairs(task: str, rng: random.Random, shifted: bool) -> Iterator[tuple[str, str, str]]:
    """Endless labelled pairs; every block of as many rows as there are labels holds each label once."""
    judge = {"entailment": entailment, "paraphrase": paraphrase}[task]
    alike = {"entailment", "paraphrase"}
    while True:
        for label in rng.sample(TASKS[task], len(TASKS[task])):
            while True:
                first = _draw(rng)
                second = _retell(first, rng)
                overlap = _overlap(first, second)
                misleads = overlap <= 0.4 if label in alike else overlap >= 0.6
                helps = overlap >= 0.6 if label in alike else overlap <= 0.6
                if judge(first, second) == label and (misleads if shifted else helps or rng.random() < 0.3):
                    break
            yield _read(first, rng), _read(second, rng), label


def examples(task: str, rows: int, seed: int, shifted: bool = False) -> list[tuple[str, str, str]]:
    """`rows` labelled pairs (text_a, text_b, label name) of a task of `TASKS`, in equal classes.

    `shifted` pairs are those on which word overlap misleads. Task, seed and `shifted` fix the stream of pairs
    and `rows` only says how many of it are taken. Raises ValueError for an unknown task or negative `rows`.
    """
    if task not in TASKS:
        raise ValueError(f"toy task {task!r} does not exist; allowed: {', '.join(TASKS)}")
    return list(islice(_pairs(task, random.Random(f"{task}/{seed}/{shifted}"), shifted), rows))


def corpus(rows: int, seed: int) -> list[tuple[str, str]]:
    """`rows` pairs of related sentences without labels, for masked-language-model pre-training."""
    rng = random.Random(f"corpus/{seed}")
    streams = [_pairs("paraphrase", rng, False), _pairs("entailment", rng, False)]
    return [next(streams[rng.random() < 0.5])[:2] for _ in range(rows)]


def vocabulary() -> tuple[str, ...]:
    """Every word of the language, lower case, sorted."""
    return tuple(sorted({*GLUE, *(word for words in _SLOTS.values() for word in words)}))
