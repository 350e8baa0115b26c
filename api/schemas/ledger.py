"""The movements of a run's money."""

from __future__ import annotations

from pydantic import Field

from api.schemas.view import Dollars, Timestamp, View
from orchestrator.domain.ledger import Account, Posting, PostingKind
from orchestrator.services.read import RunReading


class PostingView(View):
    """One movement from one account to another. Postings are never changed or removed."""

    key: str = Field(description="Unique within the run.")
    kind: PostingKind
    amount: Dollars
    source: Account
    target: Account
    at: Timestamp
    lease: str | None
    note: str

    @classmethod
    def of(cls, posting: Posting) -> PostingView:
        return cls(
            key=posting.key,
            kind=posting.kind,
            amount=posting.amount.dollars(),
            source=posting.source,
            target=posting.target,
            at=posting.at,
            lease=posting.lease_id,
            note=posting.note,
        )


class AccountsView(View):
    """The accounts, folded from the postings. The funder's is negative: it gave the money."""

    funder: Dollars
    available: Dollars
    reserved: Dollars
    spent: Dollars


class LedgerView(View):
    postings: list[PostingView]
    balance: AccountsView
    total: Dollars = Field(description="The sum over all accounts: 0.00, always.")

    @classmethod
    def of(cls, reading: RunReading) -> LedgerView:
        balance = reading.balance
        return cls(
            postings=[PostingView.of(posting) for posting in reading.postings],
            balance=AccountsView(
                funder=balance.funder.dollars(),
                available=balance.available.dollars(),
                reserved=balance.reserved.dollars(),
                spent=balance.spent.dollars(),
            ),
            total=balance.total.dollars(),
        )
