"""What becomes of a push, and which names a repository can bear."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.publication import (
    CLAIM,
    LONGEST_WAIT,
    MAX_ATTEMPTS,
    Publication,
    PublicationStatus,
    check_repo,
)
from tests.unit.domain.making import NOW

ASKED = Publication("me/it", True, 1, NOW, NOW)


def test_a_claim_is_over_by_itself_unless_it_is_renewed() -> None:
    claimed = ASKED.claimed(NOW)
    assert (claimed.status, claimed.attempt, claimed.due_at) == (PublicationStatus.UPLOADING, 1, NOW + CLAIM)
    assert claimed.renewed(NOW + CLAIM).due_at == NOW + 2 * CLAIM


def test_each_wait_is_twice_the_one_before_up_to_a_limit_and_the_last_attempt_fails() -> None:
    publication, waits = ASKED, []
    while publication.is_pending:
        publication = publication.claimed(NOW).put_off("the hub is away", NOW)
        waits.append(publication.due_at)
    seconds = [(wait - NOW).total_seconds() for wait in waits if wait is not None]
    assert seconds == [5, 10, 20, 40, 80, 160, LONGEST_WAIT.total_seconds()]
    assert publication.status is PublicationStatus.FAILED
    assert publication.attempt == MAX_ATTEMPTS
    assert publication.message == "the hub is away (given up after 8 attempts)"


def test_what_is_over_is_due_no_more() -> None:
    done = ASKED.claimed(NOW).put_off("away", NOW).claimed(NOW).done("https://hub/me/it", NOW + timedelta(seconds=9))
    assert (done.is_pending, done.url, done.message) == (False, "https://hub/me/it", "")
    assert not ASKED.failed("refused", NOW).is_pending


@pytest.mark.parametrize("name", ["me/it", "My-Org/My_Model.v2", "a/b", "o" * 96 + "/" + "n" * 96, "me/under_"])
def test_a_repository_has_an_owner_and_a_name(name: str) -> None:
    assert check_repo(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "it", "me/", "/it", "me/it/more", "me/it.git", "me/a--b", "me/a..b", "-me/it", "me/.it", "me/it.", "me/i t",
     "me/it\n", "../it", "me/..", "mé/it", "o" * 97 + "/n", 7, None, ["me/it"], "https://hub/me/it", "me/it?x=1"],
)  # fmt: skip
def test_anything_else_is_refused_by_name(name: object) -> None:
    with pytest.raises(InvalidInputError, match="repo: must be"):
        check_repo(name)
