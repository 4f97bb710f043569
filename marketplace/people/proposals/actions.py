"""The verbs of a decision of two people: propose a document once, and approve exactly that document, or refuse it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, select, transaction
from marketplace.core.errors import Conflict, NotAllowed, NotFound, existing
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity.likeness import signs_of_one_human
from marketplace.people.message_kinds import PROPOSAL_TO_DECIDE
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.people.proposals.queries import find_proposal
from marketplace.people.proposals.rules import Decision, Document, ProposalKind, fingerprint, written
from marketplace.people.proposals.tables import Proposal

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor


class State(Struct, frozen=True):
    """Whether a proposal is decided, and how."""

    approved: bool | None


async def propose(
    kind: ProposalKind[Document], document: Document, actor: Actor, *, form_id: uuid.UUID, reason: str = ""
) -> None:
    """Propose a document, once a form; refuses what the kind's check refuses, and a second proposal while one waits."""
    async with transaction():
        if await Proposal.exists().where(Proposal.id == form_id):
            return
        await kind.check(document)
        proposal = Proposal(
            id=form_id,
            kind=kind.code,
            subject=kind.filled(kind.subject, document),
            amount_minor=getattr(document, "amount_minor", None),
            reason=reason,
            document=written(document).decode(),
            document_sha256=fingerprint(document),
            proposed_by=actor.person,
            proposed_at=clock.now(),
        )
        try:
            await Proposal.insert(proposal)
        except asyncpg.UniqueViolationError:
            raise Conflict(kind.refusal) from None
        about = kind.filled(kind.about or kind.reference, document)
        await note_action(actor, kind.verb("proposed", document), about, reason=reason, after=kind.details(document))
        what = msgspec.json.encode(kind.words.in_both()).decode()
        to = [Recipient("role", "finance")]
        await send(PROPOSAL_TO_DECIDE, form_id, to, what_in_words=what, reference=kind.named(document))


async def decide(
    kinds: Mapping[str, ProposalKind[Any]], proposal: uuid.UUID, actor: Actor, *, sha256: str, approve: bool
) -> str:
    """Approve or refuse the document that someone else proposed, and return the page that shows it; approved, it is done in one transaction.

    kinds: the registry. sha256: the hash of the document that the person looked at. Refuses who proposed it, what was
    decided before, another document than that, and an approval of what the kind's check refuses by now.
    """
    async with transaction():
        row = existing(await find_proposal(proposal), NotFound("There is no such proposal."))
        if row.proposed_by == actor.person:
            raise NotAllowed("You proposed it: someone else must decide.")
        kind = kinds[row.kind]
        document = kind.read(row.document)
        if not sha256 == row.document_sha256 == fingerprint(document):
            raise Conflict("That is not the document that you looked at: read it again.")
        if approve and row.approved is None:  # before the row is locked, as `propose` does
            await kind.check(document)
        await _write_decision(proposal, actor, approve=approve)
        noted = await signs_of_two(actor.person, row.proposed_by)
        if approve:
            decision = Decision(proposal, actor, clock.now(), row.proposed_by, row.proposer, row.reason, noted)
            await kind.apply(document, decision)
        if verb := kind.verb("approved" if approve else "refused", document):
            about = kind.filled(kind.about or kind.reference, document)
            await note_action(actor, verb, about, reason=row.reason, after=kind.details(document) | noted)
    if approve and kind.afterwards:
        await kind.afterwards()
    return kind.place(document)


async def _write_decision(proposal: uuid.UUID, actor: Actor, *, approve: bool) -> None:
    """Lock a proposal and write its decision; refuses what was decided before."""
    state = await fetch_row(State, select(State, Proposal).where(Proposal.id == proposal).lock_rows("UPDATE"))
    assert state, "proposals are never deleted"
    if state.approved is not None:
        raise Conflict("That is decided already.")
    decision: Values = {"decided_by": actor.person, "decided_at": clock.now(), "approved": approve}
    await Proposal.update(decision).where(Proposal.id == proposal)


async def signs_of_two(one: uuid.UUID | None, other: uuid.UUID | None) -> dict[str, str]:
    """Return what says that two people who decided together may be one, as the trail has it; nothing where nothing does."""
    signs = await signs_of_one_human(one, other)
    return {"alike": ", ".join(signs)} if signs else {}
