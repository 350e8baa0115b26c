"""Upload a run's result to the hub. Long, but it may be lost at any point: another one begins anew, and what the hub
holds already is not sent again."""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from orchestrator.domain.card_facts import BASE_FOLDER
from orchestrator.domain.errors import ArtifactStoreError, ConflictError, HubError, NotFoundError
from orchestrator.domain.ids import RunId
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.model_card import CARD
from orchestrator.domain.publication import MAX_ATTEMPTS, RENEW_AFTER, Publication, PublicationStatus
from orchestrator.domain.run import Run
from orchestrator.ports.artifacts import Artifacts
from orchestrator.ports.clock import Clock
from orchestrator.ports.hub import Hub, Upload
from orchestrator.ports.signals import Notify
from orchestrator.ports.store import RunChange, RunRecord, Store
from orchestrator.services.results import base_files, read_result, result_files, write_card
from orchestrator.services.saving import save_latest
from orchestrator.services.watched import watched

log = logging.getLogger(__name__)

Next = Callable[[Publication, datetime], Publication]


class PublishResult:
    """Returns whether there was anything to do. An uploader claims the publication first, so that of several only one
    works; it renews its claim as it reads the files, and if it dies the claim ends by itself."""

    def __init__(self, store: Store, artifacts: Artifacts, hub: Hub, clock: Clock, notify: Notify) -> None:
        self._store = store
        self._artifacts = artifacts
        self._hub = hub
        self._clock = clock
        self._notify = notify

    def execute(self, run_id: RunId) -> bool:
        run = self._claim(run_id)
        if run is None:
            return False
        mine = run.publication
        assert mine is not None, "a claimed publication is one"
        try:
            url = self._upload(run, mine)
        except (HubError, ArtifactStoreError, ConflictError, NotFoundError, OSError) as error:
            self._conclude(run, mine, _failure(error))
        else:
            self._conclude(run, mine, lambda it, now: it.done(url, now))
        return True

    def _claim(self, run_id: RunId) -> Run | None:
        """The run with its publication claimed; None when there is nothing to do, or somebody does it."""
        claimed: list[bool] = []

        def claim(record: RunRecord) -> RunChange | None:
            claimed.clear()
            now, publication = self._clock.now(), record.run.publication
            if publication is None or publication.due_at is None or publication.due_at > now:
                return None
            if publication.attempt >= MAX_ATTEMPTS:
                told = f"given up: {publication.attempt} uploaders died over it"
                return _changed(record.run, publication.failed(told, now), now)
            claimed.append(True)
            return _changed(record.run, publication.claimed(now), now)

        run = save_latest(self._store, run_id, claim)
        self._notify.changed(run_id)
        return run if claimed else None

    def _upload(self, run: Run, mine: Publication) -> str:
        renewal = _Renewal(self._store, self._clock, run.id, mine)
        with contextlib.ExitStack() as stack:
            uploads = [
                Upload(name, stack.enter_context(watched(self._artifacts.open(run.id, path), renewal.renew)))
                for name, path in self._files(run)
            ]
            card = write_card(self._store.load(run.id), self._store, mine.repo)
            assert card is not None, "a run with files of a result has one"
            uploads.append(Upload(CARD, io.BytesIO(card.encode())))
            return self._hub.publish(mine.repo, uploads, f"LatticeForge run {run.id}", private=mine.private)

    def _files(self, run: Run) -> list[tuple[str, str]]:
        """Name in the repository and path among the run's files; the result, its base if the run made it, and the
        trainings' configurations. `ConflictError` when there is nothing to load."""
        result = read_result(run, self._artifacts)
        if run.status is not RunStatus.ENDED or result is None:
            raise ConflictError("the run goes on; push its result again when it has ended")
        found = self._artifacts.list(run.id)
        files = [(name, each.path) for name, each in result_files(found, result)]
        if not any(name.endswith(".safetensors") for name, _ in files):
            raise ConflictError("the result's weights are not among the run's files any more")
        files += [(f"{BASE_FOLDER}/{name}", each.path) for name, each in base_files(found, result)]
        return files + [(f"configs/{stage}.yaml", path) for stage, path in self._artifacts.configs(run.id)]

    def _conclude(self, run: Run, mine: Publication, over: Next) -> None:
        """Write down how it went, unless it is somebody else's by now."""

        def conclude(record: RunRecord) -> RunChange | None:
            now, held = self._clock.now(), record.run.publication
            if held is None or (held.number, held.attempt) != (mine.number, mine.attempt):
                return None
            ended = over(held, now)
            if ended.status is PublicationStatus.DONE and record.run.ended_at != run.ended_at:
                ended = held.failed("the run went on while its result was uploaded; push it again", now)
            return _changed(record.run, ended, now)

        save_latest(self._store, run.id, conclude)
        self._notify.changed(run.id)


def _failure(error: Exception) -> Next:
    """What follows from `error`: what is wrong on this side, or refused by the hub, is the same the next time."""
    told = str(error)
    if isinstance(error, ArtifactStoreError) or (isinstance(error, HubError) and error.temporary):
        return lambda publication, now: publication.put_off(told, now)
    return lambda publication, now: publication.failed(told, now)


def _changed(run: Run, publication: Publication, now: datetime) -> RunChange:
    message = _told(publication)
    key = f"push:{publication.number}:{publication.attempt}:{publication.status}"
    entries = (Entry(run.id, EntryKind.NOTE, now, key, {"message": message}),) if message else ()
    return RunChange(replace(run, publication=publication), entries=entries)


def _told(publication: Publication) -> str:
    if publication.status is PublicationStatus.DONE:
        return f"pushed to {publication.url}"
    if publication.status is PublicationStatus.FAILED:
        return f"the push to {publication.repo} failed: {publication.message}"
    if publication.status is PublicationStatus.QUEUED:
        return f"the push to {publication.repo} is tried again: {publication.message}"
    return ""


class _Renewal:
    """Keeps a claim alive. Several files may be read at once; one of their threads at a time renews it."""

    def __init__(self, store: Store, clock: Clock, run_id: RunId, mine: Publication) -> None:
        self._store = store
        self._clock = clock
        self._run_id = run_id
        self._mine = mine
        self._turn = threading.Lock()
        self._renewed_at = clock.now()

    def renew(self) -> None:
        """Never raises: an upload that gets on must not fail for the database's sake."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            if self._clock.now() - self._renewed_at >= RENEW_AFTER:
                save_latest(self._store, self._run_id, self._renewed)
                self._renewed_at = self._clock.now()
        except Exception:
            log.warning("%s: the claim on its upload was not renewed", self._run_id, exc_info=True)
        finally:
            self._turn.release()

    def _renewed(self, record: RunRecord) -> RunChange | None:
        held = record.run.publication
        if held is None or (held.number, held.attempt) != (self._mine.number, self._mine.attempt):
            return None
        return RunChange(replace(record.run, publication=held.renewed(self._clock.now())))
