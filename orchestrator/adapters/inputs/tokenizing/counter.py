"""A dataset in a model's tokens: counted once, told for any reading of it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from orchestrator.adapters.codec import decode, encode
from orchestrator.adapters.inputs.tokenizing.identity import identity
from orchestrator.adapters.inputs.tokenizing.kept_counts import KeptDocuments, Recent
from orchestrator.adapters.inputs.tokenizing.process import Counted, CountError, count_rows
from orchestrator.adapters.inputs.tokenizing.row_texts import plain_texts
from orchestrator.adapters.inputs.tokenizing.sampling import Sample, sample_rows
from orchestrator.domain.cost.lengths import RowTokens
from orchestrator.domain.cost.tokens import Excess, Reading, TokenFacts, facts_from_rows
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.formats import is_pairs
from orchestrator.domain.run import DatasetRef

TOKENIZER = "tokenizer.json"
MOST_TOKENIZER_BYTES = 128 << 20
"""The largest published ones have 35 MB."""
BYTES_PER_TOKEN = 3.8
"""Of UTF-8: English prose has 4 to 4.5 in vocabularies of 32,000 to 128,000, code and other scripts 2 to 3.5."""
ESTIMATE_DOUBT = 0.5


@dataclass(frozen=True, slots=True)
class Lengths:
    """What was tokenised: the numbers of the rows in the file (empty where they are not known) and what each takes."""

    indices: tuple[int, ...]
    needed: tuple[int, ...]
    width: tuple[int, ...]
    tokens: tuple[int, ...]
    whole: bool
    source: str
    notes: tuple[str, ...]
    doubt: float = 0.0
    masked: bool = False


class TokenCounter:
    """Keeps what it counted, in memory and in `folder`. One dataset is counted at a time."""

    def __init__(self, folder: Path | None = None) -> None:
        self._facts: Recent[TokenFacts] = Recent(256)
        self._lengths: Recent[Lengths] = Recent(16)
        self._kept = KeptDocuments[TokenFacts](
            folder, lambda facts: encode(TokenFacts, facts), lambda document: decode(TokenFacts, document)
        )
        self._counting = Lock()

    def facts(
        self, dataset: DatasetRef, model: Path, reading: Reading, seed: int, *, chosen: bool, field: str = "dataset"
    ) -> TokenFacts:
        """`InvalidInputError` naming `field` where nothing is left to train on, `model` for a broken tokenizer."""
        path = Path(dataset.source)
        counted = identity(path, model, dataset.format, chosen)
        apart = _apart(dataset)
        key = identity(path, model, dataset.format, chosen, apart, seed if apart else None, *reading)
        found = self._facts.get(key) or self._kept.get(key)
        if found is None:
            lengths = self._counted(counted, dataset, path, model, chosen=chosen)
            found = _told(lengths, dataset, reading, seed, field)
            # An estimate is made again when the service is: what was lacking may be there by then.
            if not found.doubt:
                self._kept.put(key, found)
        self._facts.put(key, found)
        return found

    def _counted(self, key: str, dataset: DatasetRef, path: Path, model: Path, *, chosen: bool) -> Lengths:
        with self._counting:
            found = self._lengths.get(key)
            if found is None:
                found = _count(dataset, path, model, chosen=chosen)
                self._lengths.put(key, found)
        return found


def _count(dataset: DatasetRef, path: Path, model: Path, *, chosen: bool) -> Lengths:
    assert dataset.rows is not None, "rows of a local file are counted"
    sample = sample_rows(path, "dataset", dataset.rows)
    lacking = _lacks(model)
    if lacking is None:
        try:
            counted = count_rows(model, dataset.format, sample, chosen=chosen)
            if any(each is not None for each in counted.rows):
                return _of_counted(counted, sample)
            lacking = f"the chat template fails: {counted.why}"
        except CountError as error:
            lacking = f"{TOKENIZER} could not be used: {error}"
    return _estimated(sample, dataset.format, lacking, chosen=chosen)


def _lacks(model: Path) -> str | None:
    """Why the tokenizer cannot be asked. `InvalidInputError` for a file that no tokenizer can be."""
    path = model / TOKENIZER
    if not path.is_file():
        return f"the model has no {TOKENIZER}"
    size = path.stat().st_size
    if size > MOST_TOKENIZER_BYTES:
        most = MOST_TOKENIZER_BYTES >> 20
        raise InvalidInputError.of("model", f"{TOKENIZER} has {size >> 20} MiB; {most} are the most")
    content = path.read_bytes()
    if not content.lstrip().startswith(b"{"):
        raise InvalidInputError.of("model", f"{TOKENIZER} is not a JSON object")
    return None if b'"model"' in content else f"{TOKENIZER} holds no tokenizer"


def _of_counted(counted: Counted, sample: Sample) -> Lengths:
    pairs = list(enumerate(counted.rows))
    good = [(index, row) for index, row in pairs if row is not None]
    notes = []
    if len(good) < len(pairs):
        notes.append(
            f"the chat template fails on {len(pairs) - len(good)} of {len(pairs)} rows, which are not in the counts: "
            f"{counted.why}"
        )
    whole = sample.whole and len(good) == len(sample.lines)
    indices = sample.indices
    return Lengths(
        () if indices is None else tuple(indices[index] for index, _ in good),
        *_columns([row for _, row in good]),
        whole=whole,
        source="tokenised with the model's tokenizer" + ("" if whole else ", a sample"),
        notes=tuple(notes),
        masked=counted.masked == len(good),
    )


def _estimated(sample: Sample, row_format: str, lacking: str, *, chosen: bool) -> Lengths:
    rows = [_guessed(json.loads(line), row_format, chosen=chosen) for line in sample.lines]
    note = f"{lacking}; tokens are estimated at {BYTES_PER_TOKEN} bytes each and may be {ESTIMATE_DOUBT:.0%} off"
    return Lengths(
        tuple(sample.indices or ()),
        *_columns(rows),
        whole=sample.whole,
        source=f"estimated from the texts' bytes at {BYTES_PER_TOKEN} a token",
        notes=(note,),
        doubt=ESTIMATE_DOUBT,
    )


def _guessed(row: dict[str, object], row_format: str, *, chosen: bool) -> RowTokens:
    one, other = (
        round(sum(len(text.encode(errors="replace")) for text in texts) / BYTES_PER_TOKEN) + 1 if texts else 0
        for texts in plain_texts(row, row_format)
    )
    other = 0 if chosen else other
    return RowTokens(max(one, other), max(one, other), one + other)


def _columns(rows: Sequence[RowTokens]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    needed, width, tokens = zip(*rows, strict=True)
    return needed, width, tokens


def _apart(dataset: DatasetRef) -> int:
    """Rows of the dataset itself that are held out."""
    return dataset.heldout_rows if dataset.heldout_source is None else 0


def _told(lengths: Lengths, dataset: DatasetRef, reading: Reading, seed: int, field: str) -> TokenFacts:
    assert dataset.rows is not None, "rows of a local file are counted"
    apart = _apart(dataset)
    if lengths.masked:
        raise InvalidInputError.of(field, "the model's chat template leaves out every answer: nothing is learnt")
    out = _held_out(dataset.rows, apart, seed)
    rows = [
        RowTokens(*each)
        for place, each in enumerate(zip(lengths.needed, lengths.width, lengths.tokens, strict=True))
        if not lengths.indices or lengths.indices[place] not in out
    ]
    if not rows:
        raise InvalidInputError.of(field, "no row is left beside those that are held out")
    facts = facts_from_rows(
        rows,
        dataset.rows - apart,
        reading,
        source=lengths.source,
        notes=(*lengths.notes, *_fates(rows, reading, lengths)),
        doubt=lengths.doubt,
    )
    if facts.usable and (reading.excess is not Excess.RAISE or not facts.dropped_rows):
        return facts
    if lengths.doubt:
        return facts
    raise InvalidInputError.of(field, _unusable(facts, reading))


def _unusable(facts: TokenFacts, reading: Reading) -> str:
    longest = f"the longest row has {facts.longest} tokens, sequence_len is {reading.sequence_len}"
    if facts.usable:
        return f"{longest}, and excess_length_strategy 'raise' stops the training over it"
    return f"has no row that can be trained on: {longest}, and what is longer is dropped"


def _held_out(rows: int, apart: int, seed: int) -> frozenset[int]:
    """The draw that the node makes (workers/node/prepare.py, `split`)."""
    return frozenset(random.Random(seed).sample(range(rows), apart))  # noqa: S311 - a repeatable draw, no secret


def _fates(rows: Sequence[RowTokens], reading: Reading, lengths: Lengths) -> tuple[str, ...]:
    """What happens to the rows that do not fit, in words. Source: Axolotl 0.19, `utils.data.utils`
    (`handle_long_seq_in_dataset`), `prompt_strategies.completion`, `utils.data.rl` (`_drop_long_sequences`)."""
    limit = reading.sequence_len
    long = sum(row.needed > limit for row in rows)
    short = sum(row.needed < reading.least for row in rows)
    of = f"of {len(rows)} rows" + ("" if lengths.whole else " in the sample")
    said = []
    if long:
        said.append(f"{long} {of} are longer than sequence_len {limit}: {_FATES[reading.excess]}")
    if long and reading.sequences == 2 and reading.excess is Excess.DROP:
        said.append("a pair is dropped when its prompt and either answer, tokenised apart, are longer together")
    if short:
        said.append(f"{short} {of} are shorter than {reading.least} tokens and dropped")
    return tuple(said)


_FATES = {
    Excess.DROP: "Axolotl drops them whole, it does not cut them",
    Excess.TRUNCATE: "Axolotl cuts off what is beyond it (of pairs, the end of the answers)",
    Excess.RAISE: "Axolotl stops with an error",
    Excess.SPLIT: "Axolotl splits a completion into pieces of that length, at most 64, and drops a rest of one token",
}


def reading_of(row_format: str, sequence_len: int, excess: Excess, *, least: int | None, chosen: bool) -> Reading:
    """How the trainer reads rows of that format."""
    paired = is_pairs(row_format) and not chosen
    if row_format == "completion":
        excess = Excess.SPLIT
    # Pairs are not sifted by their least length.
    return Reading(sequence_len, excess, 2 if paired else 1, 1 if paired else (least or 2))
