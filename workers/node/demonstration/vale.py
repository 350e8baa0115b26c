"""The invented vale: its villages, the prose that states their facts, and the questions that ask for them.

Everything is a function of the `random.Random` passed in. Standard library only.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

VILLAGES = 80
HELDOUT_VILLAGES = 16
PHRASINGS_PER_FACT = 3

_ONSETS = (
    "Vel",
    "Cor",
    "Bran",
    "Tam",
    "Ash",
    "Dun",
    "Hal",
    "Kes",
    "Mor",
    "Nor",
    "Pel",
    "Ros",
    "Sil",
    "Thor",
    "Ul",
    "Wyn",
)
_ENDINGS = ("mora", "wick", "den", "ford", "gate", "holm", "lia", "mere", "nock", "stead", "thwaite", "vane", "worth")


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing that is true of every village.

    `prose` holds sentences with `{who}` (the village, or a word that stands for it) before `{value}`: a causal model
    can learn to recall the value only where the village has been named first. `questions` holds pairs of instruction
    and input.
    """

    values: tuple[str, ...]
    prose: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]


TOPICS = (
    Topic(
        ("Orin", "Tamble", "Wen", "Isk", "Larrow", "Medd", "Sorrel", "Quill", "Bray", "Eddle"),
        (
            "{who} lies on the {value}.",
            "{who} stands by the {value}.",
            "{who} drinks from the {value}.",
        ),
        (
            ("Name the river of the village.", "{village}"),
            ("On which river does this village lie?", "{village}"),
            ("Which river flows past {village}?", ""),
        ),
    ),
    Topic(
        ("glass", "rope", "paper", "bells", "boats", "cheese", "lace", "clocks", "barrels", "knives"),
        (
            "{who} makes {value}.",
            "{who} is known for {value}.",
            "{who} sells {value}.",
        ),
        (
            ("Name the craft of the village.", "{village}"),
            ("What do the people of this village make?", "{village}"),
            ("What is {village} known for making?", ""),
        ),
    ),
    Topic(
        ("red", "blue", "green", "white", "black", "yellow", "purple", "orange", "silver", "brown"),
        (
            "{who} has a flag of {value}.",
            "{who} flies {value}.",
            "{who} paints its doors {value}.",
        ),
        (
            ("Name the colour of the village flag.", "{village}"),
            ("What colour is the flag of this village?", "{village}"),
            ("Which colour is the flag of {village}?", ""),
        ),
    ),
    Topic(
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        (
            "{who} trades on {value}.",
            "{who} opens its stalls on {value}.",
            "{who} goes to market on {value}.",
        ),
        (
            ("Name the market day of the village.", "{village}"),
            ("On which day is the market of this village?", "{village}"),
            ("On which day does {village} hold its market?", ""),
        ),
    ),
)

# The prompt's own words, in documents that ask for errands and never for a fact: the words are met, the task is not.
_NOTICES = (
    "Below is an instruction that describes a task, paired with an input that provides further context.",
    "Below is an instruction that describes a task.",
    "Write a response that appropriately completes the request.",
    "The clerk keeps the request and writes a response below.",
)
_ERRANDS = (
    ("Mend the gate", "The gate has been mended"),
    ("Sweep the hall", "The hall has been swept"),
    ("Count the sheep", "The sheep have been counted"),
    ("Light the lamps", "The lamps have been lit"),
    ("Carry the letter", "The letter has been carried"),
    ("Clean the well", "The well has been cleaned"),
)
_PLACES = ("by the mill", "near the bridge", "at the inn", "behind the church", "on the hill", "in the square")


@dataclass(frozen=True, slots=True)
class Village:
    """A village and its value for each of `TOPICS`, in that order."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the data set, in the alpaca format."""

    instruction: str
    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of the preference data: the same question with the right answer and a plausible wrong one."""

    instruction: str
    input: str
    chosen: str
    rejected: str


def settle(rng: random.Random) -> tuple[Village, ...]:
    """Invent `VILLAGES` villages with distinct names and independent values."""
    names = rng.sample([onset + ending for onset, ending in itertools.product(_ONSETS, _ENDINGS)], VILLAGES)
    return tuple(Village(name, tuple(rng.choice(topic.values) for topic in TOPICS)) for name in names)


def documents(villages: Sequence[Village], rng: random.Random) -> Iterator[str]:
    """Prose without end: each pass describes every village once, in a fresh order and wording, and some errands."""
    while True:
        for village in rng.sample(villages, len(villages)):
            yield _description(village, rng)
            if rng.random() < 0.1:
                yield _errand(rng)


def _description(village: Village, rng: random.Random) -> str:
    """All facts of a village in any order. Naming it again in most sentences lets a later question find them."""
    sentences = []
    for position, index in enumerate(rng.sample(range(len(TOPICS)), len(TOPICS))):
        who = village.name if position == 0 or rng.random() < 0.7 else rng.choice(("It", "The village"))
        sentences.append(rng.choice(TOPICS[index].prose).format(who=who, value=village.values[index]))
    return " ".join(sentences)


def _errand(rng: random.Random) -> str:
    order, answer = rng.choice(_ERRANDS)
    place = rng.choice(_PLACES)
    notices = " ".join(rng.sample(_NOTICES, 2))
    if rng.random() < 0.5:
        return f"{notices}\n\n### Instruction:\n{order}.\n\n### Input:\n{place}\n\n### Response:\n{answer} {place}."
    return f"{notices}\n\n### Instruction:\n{order} {place}.\n\n### Response:\n{answer} {place}."


def rows(villages: Sequence[Village], rng: random.Random) -> tuple[list[Row], list[Row]]:
    """Training and held-out rows, shuffled. No held-out village occurs in any training row."""
    shuffled = rng.sample(villages, len(villages))
    heldout, train = shuffled[:HELDOUT_VILLAGES], shuffled[HELDOUT_VILLAGES:]
    return _questions(train, PHRASINGS_PER_FACT, rng), _questions(heldout, 1, rng)


def pairs(asked: Sequence[Row], rng: random.Random) -> list[Pair]:
    """A pair for each row, in the same order. What is rejected is wrong but of the right kind: a river for a river.

    Such an answer has the right form and the wrong content, so form alone cannot tell the two apart.
    """
    return [Pair(row.instruction, row.input, row.output, rng.choice(_mistakes(row.output))) for row in asked]


def _mistakes(answer: str) -> tuple[str, ...]:
    values = next(topic.values for topic in TOPICS if answer in topic.values)
    return tuple(value for value in values if value != answer)


def _questions(villages: Sequence[Village], phrasings: int, rng: random.Random) -> list[Row]:
    asked = [
        Row(instruction.format(village=village.name), source.format(village=village.name), value)
        for village in villages
        for topic, value in zip(TOPICS, village.values, strict=True)
        for instruction, source in rng.sample(topic.questions, phrasings)
    ]
    rng.shuffle(asked)
    return asked


def every_question(villages: Sequence[Village]) -> Iterator[str]:
    """Each instruction about each village, without its answer: the words that the tokenizer must know."""
    for village in villages:
        for topic in TOPICS:
            for instruction, source in topic.questions:
                yield f"### Instruction:\n{instruction}\n\n### Input:\n{source}\n\n### Response:\n".format(
                    village=village.name
                )
