"""Ask for a run's result to be published on the hub. A worker uploads it soon after."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.errors import ConflictError
from orchestrator.domain.ids import RunId
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.publication import Publication, check_repo
from orchestrator.domain.run import Run
from orchestrator.ports.artifacts import Artifacts
from orchestrator.ports.clock import Clock
from orchestrator.ports.hub import Hub
from orchestrator.ports.signals import Notify, Wakeup
from orchestrator.ports.store import RunChange, RunRecord, Store
from orchestrator.services.results import read_result
from orchestrator.services.saving import save_latest


class PushResult:
    """Asking again while the same push is on its way changes nothing; after its end it is a push anew.

    `InvalidInputError` for a name that no repository can bear; `ConflictError` for a run that goes on, has no result
    or is being pushed elsewhere, and where the service has no token.
    """

    def __init__(
        self, store: Store, artifacts: Artifacts, hub: Hub, clock: Clock, wakeup: Wakeup, notify: Notify
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._hub = hub
        self._clock = clock
        self._wakeup = wakeup
        self._notify = notify

    def execute(self, run_id: RunId, repo: object, *, private: bool = True) -> Run:
        name = check_repo(repo)

        def ask(record: RunRecord) -> RunChange | None:
            return self._ask(record.run, name, private)

        run = save_latest(self._store, run_id, ask)
        self._wakeup.upload(run_id)
        self._notify.changed(run_id)
        return run

    def _ask(self, run: Run, repo: str, private: bool) -> RunChange | None:
        last = run.publication
        if last is not None and last.is_pending:
            if (last.repo, last.private) == (repo, private):
                return None
            raise ConflictError(f"the run is being pushed to {last.repo} already")
        self._check(run)
        now = self._clock.now()
        number = 1 if last is None else last.number + 1
        visibility = "private" if private else "public"
        entry = Entry(
            run.id, EntryKind.NOTE, now, f"push:{number}", {"message": f"a {visibility} push to {repo} was asked for"}
        )
        return RunChange(replace(run, publication=Publication(repo, private, number, now, now)), entries=(entry,))

    def _check(self, run: Run) -> None:
        if run.status is not RunStatus.ENDED:
            raise ConflictError("the run has not ended; its result can be pushed when it has")
        result = read_result(run, self._artifacts)
        if result is None:
            raise ConflictError("the run has ended without a result that could be pushed")
        if result.path is None:
            raise ConflictError("the result's files are not among the run's: they cannot be pushed from here")
        if not self._hub.is_ready():
            raise ConflictError(
                "the service has no token for the hub: start it with HF_TOKEN or LATTICEFORGE_HUB_TOKEN in its "
                "environment"
            )
