"""What is read of proposals: what waits, what was decided, and what says that two people may be one."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.statements import load_statements
from marketplace.people.identity.likeness import Sign, signs_of_one_human

if TYPE_CHECKING:
    from collections.abc import Iterable

SQL: Final = load_statements(__package__)
EVERYTHING: Final = 1_000_000
"""More proposals than any operator's people make."""
PROPOSALS_BY: Final = {
    "": "approved IS NOT NULL, proposed_at DESC",
    "what": "kind, proposed_at",
    "amount": "abs(amount_minor) DESC NULLS LAST",
    "proposed": "proposed_at",
    "decided": "decided_at",
}
"""What proposals are sorted by → SQL; what waits first, then the newest, where nothing is said."""


class ProposalRow(Struct, frozen=True):
    """A proposal with the names of both people, its document as JSON; `approved` None until somebody decides."""

    id: uuid.UUID
    kind: str
    subject: str
    amount_minor: int | None
    reason: str
    document: str
    document_sha256: str
    proposed_by: uuid.UUID
    proposed_at: dt.datetime
    decided_at: dt.datetime | None
    approved: bool | None
    proposer: str
    decider: str | None


async def list_proposals(
    which: str = "", kind: str = "", sort: str = "", *, limit: int = EVERYTHING, skipped: int = 0
) -> list[ProposalRow]:
    """Return proposals in an order of PROPOSALS_BY, of a kind unless it is empty; `which`: waiting, approved or refused."""
    sql = f"{SQL['list_proposals']} ORDER BY {PROPOSALS_BY.get(sort, PROPOSALS_BY[''])}, proposal.id LIMIT $3 OFFSET $4"
    return await fetch_rows(ProposalRow, sql, which, kind, limit, skipped)


async def find_proposal(proposal: uuid.UUID) -> ProposalRow | None:
    """Return a proposal by its id."""
    return await fetch_row(ProposalRow, SQL["find_proposal"], proposal)


async def list_proposals_about(kind: str, subject: str) -> list[ProposalRow]:
    """Return what was proposed of a kind about a subject, the oldest first."""
    return await fetch_rows(ProposalRow, SQL["list_about"], kind, subject)


async def find_waiting(kind: str, subject: str | None = None) -> ProposalRow | None:
    """Return what waits for a second person of a kind and a subject, the oldest of the kind where none is named."""
    return await fetch_row(ProposalRow, SQL["find_waiting"], kind, subject)


async def signs_of_proposers(reader: uuid.UUID | None, rows: Iterable[ProposalRow]) -> dict[uuid.UUID, list[Sign]]:
    """Return, for each other person whose proposal waits, what says that it may be the reader who would decide."""
    waiting = {row.proposed_by for row in rows if row.approved is None and row.proposed_by != reader}
    return {one: await signs_of_one_human(reader, one) for one in waiting}
