from __future__ import annotations

import itertools

import pytest

from orchestrator.domain.errors import IllegalTransitionError
from orchestrator.domain.lifecycle import HOLDS_LEASE, TRANSITIONS, RunEvent, RunStatus, next_status

OUTSIDE = [pair for pair in itertools.product(RunStatus, RunEvent) if pair not in TRANSITIONS]


@pytest.mark.parametrize(("status", "event"), OUTSIDE)
def test_each_pair_outside_the_table_is_refused(status: RunStatus, event: RunEvent) -> None:
    with pytest.raises(IllegalTransitionError):
        next_status(status, event)


@pytest.mark.parametrize("status", RunStatus)
def test_each_status_reaches_the_end(status: RunStatus) -> None:
    reached, frontier = {status}, [status]
    while frontier:
        here = frontier.pop()
        steps = {after for (before, _), after in TRANSITIONS.items() if before is here} - reached
        reached |= steps
        frontier += steps
    assert RunStatus.ENDED in reached


def test_a_lease_is_opened_by_funding_and_left_by_releasing_only() -> None:
    for (before, event), after in TRANSITIONS.items():
        if before not in HOLDS_LEASE and after in HOLDS_LEASE:
            assert event is RunEvent.FUNDED
        if before in HOLDS_LEASE and after not in HOLDS_LEASE:
            assert before is RunStatus.RELEASING


def test_every_event_is_in_the_table() -> None:
    assert {event for _, event in TRANSITIONS} == set(RunEvent)
