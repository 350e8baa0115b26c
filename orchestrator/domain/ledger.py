"""The ledger: append-only, double-entry postings in micro-dollars. A balance is folded, never stored.

Money is granted by the funder, reserved for a lease before the cloud is asked, and settled once when the lease closes;
what the lease did not use is voided back. Every posting moves one amount from one account to another, so the sum over
all accounts is zero at all times (the two-phase transfers of TigerBeetle's documentation are the model).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.errors import LedgerError
from orchestrator.domain.ids import LeaseId, RunId
from orchestrator.domain.money import ZERO, Money


class Account(StrEnum):
    """Where money of a run can be."""

    FUNDER = "funder"
    AVAILABLE = "available"
    RESERVED = "reserved"
    SPENT = "spent"


class PostingKind(StrEnum):
    """What a posting does."""

    GRANT = "grant"
    RESERVE = "reserve"
    SETTLE = "settle"
    VOID = "void"
    OVERRUN = "overrun"
    """Spent beyond a lease's reservation. The fuses exist so that this is never posted; if it must be, it is said."""


_ROUTE: Mapping[PostingKind, tuple[Account, Account]] = {
    PostingKind.GRANT: (Account.FUNDER, Account.AVAILABLE),
    PostingKind.RESERVE: (Account.AVAILABLE, Account.RESERVED),
    PostingKind.SETTLE: (Account.RESERVED, Account.SPENT),
    PostingKind.VOID: (Account.RESERVED, Account.AVAILABLE),
    PostingKind.OVERRUN: (Account.AVAILABLE, Account.SPENT),
}


@dataclass(frozen=True, slots=True)
class Posting:
    """One movement of money. `key` is unique within the run, so that a repeated posting is refused, not doubled."""

    run_id: RunId
    kind: PostingKind
    amount: Money
    at: datetime
    key: str
    lease_id: LeaseId | None = None
    note: str = ""

    @property
    def source(self) -> Account:
        return _ROUTE[self.kind][0]

    @property
    def target(self) -> Account:
        return _ROUTE[self.kind][1]


@dataclass(frozen=True, slots=True)
class Balance:
    """A run's accounts, folded from its postings."""

    funder: Money
    available: Money
    reserved: Money
    spent: Money

    @property
    def cap(self) -> Money:
        """All that was ever granted."""
        return -self.funder

    @property
    def total(self) -> Money:
        """The sum over all accounts: zero, always."""
        return self.funder + self.available + self.reserved + self.spent


def fold(postings: Iterable[Posting]) -> Balance:
    """The balance after `postings`, in any order."""
    sums = dict.fromkeys(Account, 0)
    for posting in postings:
        sums[posting.source] -= posting.amount.micros
        sums[posting.target] += posting.amount.micros
    return Balance(*(Money(sums[account]) for account in Account))


def reserved_for(postings: Iterable[Posting], lease: LeaseId) -> Money:
    """What is still set aside for `lease`."""
    return fold(posting for posting in postings if posting.lease_id == lease).reserved


def grant(run: RunId, amount: Money, at: datetime, key: str) -> Posting:
    """Money given to the run: its cap, or a top-up."""
    if amount <= ZERO:
        raise LedgerError("a grant must be above zero")
    return Posting(run, PostingKind.GRANT, amount, at, f"grant:{key}")


def reserve(postings: Iterable[Posting], run: RunId, lease: LeaseId, amount: Money, at: datetime, key: str) -> Posting:
    """Set `amount` aside for `lease`; `LedgerError` if that much is not available."""
    balance = fold(postings)
    if amount <= ZERO or amount > balance.available:
        raise LedgerError(f"cannot reserve {amount.dollars()} of {balance.available.dollars()} available")
    return Posting(run, PostingKind.RESERVE, amount, at, f"reserve:{lease}:{key}", lease)


def close_lease(
    postings: Iterable[Posting], run: RunId, lease: LeaseId, cost: Money, at: datetime
) -> tuple[Posting, ...]:
    """Settle what `lease` cost and void the rest of its reservation. Once: a second call raises `LedgerError`."""
    held_postings = tuple(postings)
    if any(posting.lease_id == lease and posting.kind is not PostingKind.RESERVE for posting in held_postings):
        raise LedgerError(f"{lease} is settled already")
    held = reserved_for(held_postings, lease)
    if cost < ZERO:
        raise LedgerError("a cost cannot be negative")
    parts = (
        (PostingKind.SETTLE, min(cost, held)),
        (PostingKind.VOID, held - min(cost, held)),
        (PostingKind.OVERRUN, max(cost - held, ZERO)),
    )
    return tuple(Posting(run, kind, amount, at, f"{kind}:{lease}", lease) for kind, amount in parts if amount > ZERO)
