"""A toy language with a meaning: a seeded grammar that makes labelled sentence pairs, with no download.

Every sentence speaks of one scene: somebody (the agent) does one thing to one object (the patient) in one
place. A word leaves some possibilities open and rules out the others (`animal` means dog or cat or ...), so a
sentence means a set of scenes, and a pair's label is not invented beside the text but computed from the two
sets. Both sentences of a pair speak of the same scene, as in image-caption entailment: `a big dog ...` and
`a small dog ...` contradict each other.
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
_AGENTS = {
    "animal creature": {"dog hound": {}, "cat kitty": {}, "horse steed": {}, "sheep": {}, "cow": {}},
    "person human": {"boy lad": {}, "girl lass": {}, "man gentleman": {}, "woman lady": {}},
}
_PATIENTS = {
    "vehicle": {"car automobile": {}, "bicycle bike": {}, "boat ship": {}, "cart wagon": {}},
    "toy plaything": {"ball": {}, "doll puppet": {}, "kite": {}, "drum": {}},
    "container": {"box crate": {}, "bag sack": {}, "bucket pail": {}},
}
_SIZES = {"big large": {}, "small little": {}}
_MOODS = {"happy glad": {}, "sad unhappy": {}}
_STATES = {"clean spotless": {}, "dirty filthy": {}}
_ACTIONS = {
    "moved": {"pushed shoved": {}, "pulled dragged": {}},
    "noticed": {"watched observed": {}, "heard": {}},
}
_PLACES = {
    "outdoors outside": {"park": {}, "garden yard": {}, "forest wood": {}},
    "indoors inside": {"kitchen": {}, "cellar basement": {}},
}
_ADVERBS = {word for words in _PLACES for word in words.split()}  # the others read `in the park`
_GLUE = ("a", "an", "in", "no", "the")


def _meanings(tree: dict) -> dict[str, frozenset[str]]:
    """Every word of a tree and the set of leaves that it leaves open."""
    words = {}
    for synonyms, below in tree.items():
        inner = _meanings(below)
        leaves = frozenset().union(*inner.values()) if inner else frozenset({synonyms})
        words |= inner | dict.fromkeys(synonyms.split(), leaves)
    return words


# What a sentence can say, slot by slot, in reading order: word -> the possibilities that it leaves open.
SLOTS: dict[str, dict[str, frozenset[str]]] = {
    "agent size": _meanings(_SIZES),
    "agent mood": _meanings(_MOODS),
    "agent": _meanings(_AGENTS),
    "action": _meanings(_ACTIONS),
    "patient state": _meanings(_STATES),
    "patient": _meanings(_PATIENTS),
    "place": _meanings(_PLACES),
}
_NEEDED = ("agent", "action", "patient")  # every sentence fills these; adjectives and place may be left out
_ALIKE = ("entailment", "paraphrase")  # the labels for which much word overlap speaks


class Sentence(NamedTuple):
    """What one sentence says: a word for each slot it fills; `denied` (`no ...`): this is not so."""

    claims: dict[str, str]
    denied: bool = False

    def open(self, slot: str) -> frozenset[str]:
        """The possibilities that the claims leave open in a slot: all of them where it is not filled."""
        return SLOTS[slot][self.claims[slot]] if slot in self.claims else _leaves(slot)


def entailment(first: Sentence, second: Sentence) -> str:
    """The entailment label of a pair: how the set of scenes of `first` lies to that of `second`."""
    within = all(first.open(slot) <= second.open(slot) for slot in SLOTS)
    around = all(first.open(slot) >= second.open(slot) for slot in SLOTS)
    apart = any(first.open(slot).isdisjoint(second.open(slot)) for slot in SLOTS)
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
    same = first.denied == second.denied and all(first.open(slot) == second.open(slot) for slot in SLOTS)
    return "paraphrase" if same else "not_paraphrase"


def _read(sentence: Sentence, rng: random.Random) -> str:
    """The sentence in words, its place at the end or, more rarely, in front."""
    claims = sentence.claims
    agent, patient = (
        " ".join(word for slot, word in claims.items() if slot.startswith(role))
        for role in ("agent", "patient")
    )
    opening = "no" if sentence.denied else _article(agent)
    text = f"{opening} {agent} {claims['action']} {_article(patient)} {patient}"
    if "place" in claims:
        place = claims["place"] if claims["place"] in _ADVERBS else f"in the {claims['place']}"
        text = f"{place} {text}" if rng.random() < 0.1 else f"{text} {place}"
    return text


def _article(phrase: str) -> str:
    return "an" if phrase[0] in "aeiou" else "a"


def _draw(rng: random.Random) -> Sentence:
    """A random sentence."""
    claims = {
        slot: rng.choice(list(words))
        for slot, words in SLOTS.items()
        if slot in _NEEDED or rng.random() < 0.5
    }
    return Sentence(claims, rng.random() < 0.05)


def _retell(sentence: Sentence, rng: random.Random, restyle: float) -> Sentence:
    """A random sentence close to the given one: words replaced by synonyms (or by themselves) at the rate
    `restyle`, at most one claim made broader, narrower, opposite, left out or added; sometimes denied."""
    claims = dict(sentence.claims)
    for slot in claims:
        if rng.random() < restyle:
            claims[slot] = rng.choice(
                [word for word, leaves in SLOTS[slot].items() if leaves == sentence.open(slot)]
            )
    if rng.random() < 0.75:
        slot = rng.choice([slot for slot in SLOTS if slot in claims or rng.random() < 0.5])
        here = sentence.open(slot)
        if slot in claims:
            changes = {
                "broader": [word for word, leaves in SLOTS[slot].items() if leaves > here],
                "narrower": [word for word, leaves in SLOTS[slot].items() if leaves < here],
                # Nouns have too many opposites to be learnt in the minutes that a toy may cost.
                "opposite": [word for word, leaves in SLOTS[slot].items() if leaves.isdisjoint(here)]
                if slot not in ("agent", "patient")
                else [],
                "left out": [None] if slot not in _NEEDED else [],
            }
        else:
            changes = {"added": list(SLOTS[slot])}
        claims[slot] = rng.choice(changes[rng.choice([change for change, words in changes.items() if words])])
    return Sentence(
        {slot: claims[slot] for slot in SLOTS if claims.get(slot)}, sentence.denied != (rng.random() < 0.2)
    )


def _pairs(task: str, rng: random.Random, shifted: bool) -> Iterator[tuple[str, str, str]]:
    """Endless labelled pairs; every block of as many rows as there are labels holds each label once."""
    judge = {"entailment": entailment, "paraphrase": paraphrase}[task]
    while True:
        for label in rng.sample(TASKS[task], len(TASKS[task])):
            restyle = 0.8 if shifted and label in _ALIKE else 0.2
            while True:
                first = _draw(rng)
                # Most pairs of sentences are no paraphrases because they speak of different things.
                stranger = task == "paraphrase" and rng.random() < 0.4
                second = _draw(rng) if stranger else _retell(first, rng, restyle)
                if judge(first, second) == label and (not shifted or _misleads(first, second, label)):
                    break
            yield _read(first, rng), _read(second, rng), label


def _misleads(first: Sentence, second: Sentence, label: str) -> bool:
    """Whether the share of common words speaks for another label, and no difference in `no` gives it away."""
    a, b = set(first.claims.values()), set(second.claims.values())
    overlap = len(a & b) / len(a | b)
    return overlap <= 0.4 if label in _ALIKE else overlap >= 0.6 and first.denied == second.denied


def examples(task: str, rows: int, seed: int, shifted: bool = False) -> list[tuple[str, str, str]]:
    """`rows` labelled pairs (text_a, text_b, label name) of a task of `TASKS`, in equal classes.

    `shifted` pairs are those on which word overlap misleads: entailments and paraphrases with few common
    words, the other labels with many. Task, seed and `shifted` fix the stream of pairs, `rows` only says how
    many of it are taken. Raises ValueError for an unknown task or negative `rows`.
    """
    if rows < 0:
        raise ValueError(f"rows must be 0 or more, not {rows}")
    if task not in TASKS:
        raise ValueError(f"toy task {task!r} does not exist; allowed: {', '.join(TASKS)}")
    return list(islice(_pairs(task, random.Random(f"{task}/{seed}/{shifted}"), shifted), rows))


def corpus(rows: int, seed: int) -> list[tuple[str, str]]:
    """`rows` pairs of related sentences without labels, for masked-language-model pre-training."""
    rng = random.Random(f"corpus/{seed}")
    pairs = []
    for _ in range(rows):
        first = _draw(rng)
        pairs.append((_read(first, rng), _read(_retell(first, rng, restyle=0.2), rng)))
    return pairs


def stories(rows: int, seed: int) -> list[str]:
    """`rows` short texts, each of one scene: what was said broadly is told again, ever more closely.

    So what comes later follows in part from what came before, which a model of running text can learn.
    Raises ValueError for negative `rows`.
    """
    if rows < 0:
        raise ValueError(f"rows must be 0 or more, not {rows}")
    rng = random.Random(f"stories/{seed}")
    return [" ".join(_told(rng)) for _ in range(rows)]


def _told(rng: random.Random) -> Iterator[str]:
    """The sentences of a story: first of few claims in broad words, last of all in the closest ones."""
    scene = {slot: rng.choice(sorted(_leaves(slot))) for slot in SLOTS}
    for share in (0.2, 0.5, 0.8, 1.0):
        claims = {}
        for slot, words in SLOTS.items():
            if slot in _NEEDED or rng.random() < share:
                fitting = [word for word, leaves in words.items() if scene[slot] in leaves]
                closest = min(len(words[word]) for word in fitting)
                close = [word for word in fitting if len(words[word]) == closest]
                claims[slot] = rng.choice(close if rng.random() < share else fitting)
        yield _read(Sentence(claims), rng)


def _leaves(slot: str) -> frozenset[str]:
    """All possibilities of a slot."""
    return frozenset().union(*SLOTS[slot].values())


def vocabulary() -> tuple[str, ...]:
    """Every word of the language, lower case, sorted."""
    return tuple(sorted({*_GLUE, *(word for words in SLOTS.values() for word in words)}))
