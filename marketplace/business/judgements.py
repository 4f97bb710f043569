"""Principal or agent, of each offer: one person says which and why, another decides; revenue is presented so, in one place.

The books hold every sale gross, as its invoice says and as VAT wants. What differs is what is presented as revenue: of an
offer that we sell as agent, what is left of a sale once the subscribers' and the operator's shares are taken from it. A sale
keeps what was judged when it was ordered, and so does what goes back of it: figures of a month that is over stay.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import check_reason, note_action
from marketplace.business.queries import SHARES, SOLD, SQL, bounds_of
from marketplace.business.tables import RevenueJudgement
from marketplace.catalogue.tables import Offer
from marketplace.database import fetch_rows, fetch_scalar, transaction
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.ledger import two_people
from marketplace.messages.actions import send
from marketplace.messages.kinds import judgement_to_decide
from marketplace.messages.rules import Recipient

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor

ROLES: Final = ("principal", "agent")


class Presented(Struct, frozen=True):
    """What an offer's sales bring, in cents: sold before VAT, shares of it, and what is presented as revenue.

    `role` is the latest judged, and None where nobody judged it: we are the principal until somebody does.
    """

    dataset: str
    title_fr: str
    title_en: str
    offer: uuid.UUID
    role: str | None
    sold_minor: int
    shares_minor: int
    presented_minor: int


class Judgement(Struct, frozen=True):
    """What somebody proposed of an offer and why, with the names of both people; `approved` None until it is decided."""

    id: uuid.UUID
    dataset: str
    title_fr: str
    title_en: str
    role: str
    control: str
    risk: str
    price: str
    proposed_by: uuid.UUID
    proposed_at: dt.datetime
    decided_at: dt.datetime | None
    approved: bool | None
    proposer: str
    decider: str | None


class Proposed(Struct, frozen=True):
    """A proposal as stored."""

    offer: uuid.UUID
    role: str
    proposed_by: uuid.UUID
    approved: bool | None


async def list_presented(first: dt.date, last: dt.date) -> list[Presented]:
    """Return every offer with what its sales brought between two days, both included, the largest first."""
    return await fetch_rows(Presented, SQL["list_presented"], *SOLD, SHARES, *bounds_of(first, last))


async def list_judgements() -> list[Judgement]:
    """Return all that was ever judged: what waits first, then the newest."""
    return await fetch_rows(
        Judgement,
        """SELECT judged.id, offer.dataset, title_fr, title_en, role, control, risk, price, proposed_by, proposed_at, decided_at,
                  approved, proposer.name AS proposer, decider.name AS decider
           FROM revenue_judgement AS judged JOIN offer ON offer.id = judged.offer JOIN dataset ON dataset.code = offer.dataset
           JOIN person AS proposer ON proposer.id = proposed_by LEFT JOIN person AS decider ON decider.id = decided_by
           ORDER BY approved IS NOT NULL, proposed_at DESC, judged.id""",
    )


async def propose_judgement(
    dataset: str, role: str, actor: Actor, *, control: str, risk: str, price: str, form_id: uuid.UUID
) -> None:
    """Propose what we are in the sales of a dataset's offer, once a form, and one proposal an offer at a time."""
    reasons = [check_reason(text) for text in (control, risk, price)]
    if role not in ROLES:
        raise Invalid("We are principal or agent.")
    async with transaction():
        offer = await fetch_scalar(uuid.UUID, Offer.select(Offer.id).where(Offer.dataset == dataset))
        if offer is None:
            raise NotFound("There is no such offer.")
        proposal = RevenueJudgement(
            id=form_id,
            offer=offer,
            role=role,
            control=reasons[0],
            risk=reasons[1],
            price=reasons[2],
            proposed_by=actor.person,
            proposed_at=clock.now(),
        )
        if not await two_people.propose(proposal, otherwise=Conflict("A proposal for that offer waits already.")):
            return
        await note_action(actor, "judgement_proposed", f"offer {offer}", reason=reasons[0], after={"role": role})
        await send(judgement_to_decide.KIND, form_id, [Recipient("role", "finance")])


async def decide_judgement(judgement: uuid.UUID, actor: Actor, *, approve: bool) -> None:
    """Approve or refuse what someone else proposed; refuses who proposed it, and what was decided before."""
    async with transaction():
        row = await two_people.lock_proposal(Proposed, RevenueJudgement, judgement)
        who = await two_people.decide(RevenueJudgement, judgement, row, actor, approve=approve)
        verb = "judgement_approved" if approve else "judgement_refused"
        await note_action(actor, verb, f"offer {row.offer}", after={"role": row.role} | who)
