"""A run's result among its files: where it lies, which files it needs, and the card that describes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from orchestrator.domain.baseline import Baseline, wanted_key
from orchestrator.domain.card_facts import CardFacts
from orchestrator.domain.ids import StageId
from orchestrator.domain.measured import results_of
from orchestrator.domain.model_card import CARD, model_card
from orchestrator.domain.result import ResultKind, is_result_file, result_of
from orchestrator.domain.run import Run
from orchestrator.ports.artifacts import Artifact, Artifacts
from orchestrator.ports.store import RunRecord, Store


@dataclass(frozen=True, slots=True)
class ResultReading:
    """A run's result. `path` is relative to the run's folder, None where it lies elsewhere. `base_model` is the model
    that was named in the wish; `base_path` is the model that an adapter sits on, if the run made that one itself."""

    kind: ResultKind
    path: str | None
    base_model: str
    base_path: str | None
    stage: StageId


def read_result(run: Run, artifacts: Artifacts) -> ResultReading | None:
    """Where the result of `run` lies; None before it has one. Looks at no file."""
    found = result_of(run)
    if found is None:
        return None
    base_path = artifacts.relative(run.id, found.base) if found.base_is_made else None
    return ResultReading(found.kind, artifacts.relative(run.id, found.path), run.spec.model, base_path, found.stage)


def read_baseline(run: Run, store: Store) -> Baseline | None:
    """The newest baseline that `run` may stand beside; one indexed look-up."""
    key = wanted_key(run)
    found = None if key is None else store.newest_baseline(key)
    return None if found is None else Baseline(found.id, results_of(found))


def result_files(found: Iterable[Artifact], result: ResultReading) -> Iterator[tuple[str, Artifact]]:
    """The files that are needed to load `result`, each with its name below the result's own folder; those of a base
    that the run made itself come with the base's folder in `base_files`."""
    if result.path is not None:
        yield from _below(found, result.path, result.kind)


def base_files(found: Iterable[Artifact], result: ResultReading) -> Iterator[tuple[str, Artifact]]:
    """The files of the model that an adapter sits on, where the run made that model; each with its name there."""
    if result.base_path is not None:
        yield from _below(found, result.base_path, ResultKind.MODEL)


def _below(found: Iterable[Artifact], folder: str, kind: ResultKind) -> Iterator[tuple[str, Artifact]]:
    for each in found:
        name = each.path.removeprefix(f"{folder}/")
        if name != each.path and is_result_file(kind, name):
            yield name, each


def marked(found: tuple[Artifact, ...], result: ResultReading | None, card: str | None) -> tuple[Artifact, ...]:
    """All files, those of the result marked, with the card among them. A file that lies where the card belongs is
    not shown: the name is the card's."""
    others = [each for each in found if each.path != CARD]
    if result is None or card is None:
        return tuple(others)
    needed = {each.path for files in (result_files, base_files) for _, each in files(found, result)}
    shown = [replace(each, is_result=each.path in needed) for each in others]
    return tuple(sorted([*shown, Artifact(CARD, len(card.encode()), True)], key=lambda each: each.path))


def write_card(record: RunRecord, store: Store, repo: str | None = None) -> str | None:
    """The card of a run, written anew; None while it has no result. `repo` is where the card is going to be."""
    result = result_of(record.run)
    if result is None:
        return None
    held = dict.fromkeys(posting.lease_id for posting in record.postings if posting.lease_id is not None)
    leases = tuple(store.lease(lease) for lease in held)
    facts = CardFacts(record.run, result, leases, record.postings, read_baseline(record.run, store), repo)
    return model_card(facts)
