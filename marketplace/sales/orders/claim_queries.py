"""Queries of claims: those of one order, and all for staff."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.people.proposals.rules import fingerprint

SQL: Final = load_statements(__package__, "claim_queries.sql")


class ClaimOfOrder(Struct, frozen=True):
    """A claim as its partner reads it; `refund_minor` is VAT included, in cents."""

    id: uuid.UUID
    reason: str
    evidence: str
    filed_at: dt.datetime
    outcome: str
    answer: str
    refund_minor: int | None
    ended_at: dt.datetime | None


class ClaimDecision(Struct, frozen=True):
    """The proposed decision of a claim and the words for its partner, to which a second person agrees."""

    proposal: str
    refund_minor: int | None
    answer: str


class ClaimRow(Struct, frozen=True):
    """A claim as staff read it; `left_minor` is what remains of its order's payment, VAT included, in cents."""

    id: uuid.UUID
    purchase_order: uuid.UUID
    number: str
    partner: uuid.UUID
    company: str
    dataset: str
    title_fr: str
    title_en: str
    currency: str
    total_minor: int
    left_minor: int
    hold_until: dt.datetime
    reason: str
    evidence: str
    filed_at: dt.datetime
    proposal: str
    refund_minor: int | None
    answer: str
    proposed_by: uuid.UUID | None
    proposer: str | None
    outcome: str
    decider: str | None
    ended_at: dt.datetime | None

    @property
    def decision_sha256(self) -> str:
        """The hash of the proposed decision, which the second person's form contains."""
        return fingerprint(ClaimDecision(self.proposal, self.refund_minor, self.answer))


async def list_claims_of(order: uuid.UUID) -> list[ClaimOfOrder]:
    """Return the claims of an order, the latest first."""
    return await fetch_rows(ClaimOfOrder, SQL["list_of_order"], order)


async def list_claims(page: int) -> Paged[ClaimRow]:
    """Return one page of all claims: the open ones first, the oldest of them first; then the latest decided."""
    return paged(await fetch_rows(ClaimRow, SQL["list_claims"], PAGE_SIZE + 1, offset(page)), page)


async def get_claim(claim: uuid.UUID) -> ClaimRow:
    """Return a claim as staff read it."""
    return existing(await fetch_row(ClaimRow, SQL["get_claim"], claim), NotFound("There is no such claim."))
