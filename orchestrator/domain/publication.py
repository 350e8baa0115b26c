"""A publication: the wish to have a run's result on a model hub, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.ids import is_hub_id

MAX_ATTEMPTS = 8
"""With the waits between them, a hub may be away for a quarter of an hour before an upload is given up."""
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=5)
CLAIM = timedelta(seconds=90)
"""How long an uploader that shows no progress is believed to be alive."""
RENEW_AFTER = timedelta(seconds=20)


class PublicationStatus(StrEnum):
    QUEUED = "queued"
    UPLOADING = "uploading"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Publication:
    """`number` counts the pushes of the run, `attempt` the starts of this upload. `due_at` is when somebody must look
    at it: for a queued one the earliest start, for one that is uploading the end of its uploader's claim, None once it
    is over. `message` says what went wrong last."""

    repo: str
    private: bool
    number: int
    asked_at: datetime
    due_at: datetime | None
    status: PublicationStatus = PublicationStatus.QUEUED
    attempt: int = 0
    url: str | None = None
    message: str = ""
    ended_at: datetime | None = None

    @property
    def is_pending(self) -> bool:
        return self.due_at is not None

    def claimed(self, now: datetime) -> Publication:
        """Taken by an uploader, which renews its claim as long as it gets on."""
        return replace(self, status=PublicationStatus.UPLOADING, attempt=self.attempt + 1, due_at=now + CLAIM)

    def renewed(self, now: datetime) -> Publication:
        return replace(self, due_at=now + CLAIM)

    def done(self, url: str, now: datetime) -> Publication:
        return replace(self, status=PublicationStatus.DONE, due_at=None, url=url, message="", ended_at=now)

    def failed(self, message: str, now: datetime) -> Publication:
        return replace(self, status=PublicationStatus.FAILED, due_at=None, message=message, ended_at=now)

    def put_off(self, message: str, now: datetime) -> Publication:
        """To be tried again after a wait that doubles with each attempt; failed after the last one."""
        if self.attempt >= MAX_ATTEMPTS:
            return self.failed(f"{message} (given up after {self.attempt} attempts)", now)
        wait = min(FIRST_WAIT * 2 ** max(self.attempt - 1, 0), LONGEST_WAIT)
        return replace(self, status=PublicationStatus.QUEUED, due_at=now + wait, message=message)


def check_repo(name: object) -> str:
    """`name` if it can be a repository's, `owner/name`; `InvalidInputError` naming `repo` otherwise."""
    if not isinstance(name, str):
        raise InvalidInputError.of("repo", "must be a string, for example owner/name")
    if not is_hub_id(name) or name.lower().endswith((".git", ".ipynb")):
        raise InvalidInputError.of(
            "repo", "must be owner/name: letters, digits, '-', '_' and '.', neither part beginning or ending with '-' "
            "or '.', without '--' or '..', at most 96 characters each"
        )  # fmt: skip
    return name
