from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain import ledger
from orchestrator.domain.errors import LedgerError
from orchestrator.domain.ids import lease_id
from orchestrator.domain.ledger import Posting, PostingKind
from orchestrator.domain.money import ZERO, Money
from tests.unit.domain.making import NOW, RUN

FIRST = lease_id(RUN, 1)


def funded(cap: int, held: int) -> list[Posting]:
    postings = [ledger.grant(RUN, Money(cap), NOW, "cap")]
    return [*postings, ledger.reserve(postings, RUN, FIRST, Money(held), NOW, "funding")]


def test_more_than_what_is_available_cannot_be_reserved() -> None:
    postings = funded(100, 60)
    with pytest.raises(LedgerError, match="cannot reserve"):
        ledger.reserve(postings, RUN, lease_id(RUN, 2), Money(41), NOW, "funding")


def test_a_lease_is_settled_once() -> None:
    postings = funded(100, 60)
    postings += ledger.close_lease(postings, RUN, FIRST, Money(10), NOW)
    with pytest.raises(LedgerError, match="settled already"):
        ledger.close_lease(postings, RUN, FIRST, Money(10), NOW)


def test_what_a_lease_did_not_use_is_available_again() -> None:
    postings = funded(100, 60)
    postings += ledger.close_lease(postings, RUN, FIRST, Money(10), NOW)
    balance = ledger.fold(postings)
    assert (balance.spent, balance.reserved, balance.available) == (Money(10), ZERO, Money(90))


def test_a_bill_beyond_the_reservation_is_written_down_and_not_hidden() -> None:
    postings = funded(100, 60)
    postings += ledger.close_lease(postings, RUN, FIRST, Money(70), NOW)
    assert ledger.fold(postings).spent == Money(70)
    assert [posting.kind for posting in postings][-1] is PostingKind.OVERRUN


def test_a_grant_of_nothing_is_refused() -> None:
    with pytest.raises(LedgerError):
        ledger.grant(RUN, ZERO, NOW, "cap")


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**9)), max_size=12))
def test_the_accounts_sum_to_zero_and_spending_within_reservations_stays_within_the_cap(
    moves: list[tuple[int, int, int]],
) -> None:
    postings: list[Posting] = []
    for number, (granted, held, cost) in enumerate(moves, start=1):
        at = NOW + timedelta(seconds=number)
        postings.append(ledger.grant(RUN, Money(granted), at, f"top-up:{number}"))
        lease = lease_id(RUN, number)
        wanted = Money(min(held, ledger.fold(postings).available.micros))
        if wanted > ZERO:
            postings.append(ledger.reserve(postings, RUN, lease, wanted, at, "funding"))
            postings += ledger.close_lease(postings, RUN, lease, min(Money(cost), wanted), at)
        balance = ledger.fold(postings)
        assert balance.total == ZERO
        assert balance.reserved == ZERO
        assert ZERO <= balance.spent <= balance.cap
        assert balance.available == balance.cap - balance.spent
    assert len({posting.key for posting in postings}) == len(postings)
