"""Principal or agent, of each offer: one person says which and why, another decides; revenue is presented so, in one place.

The books hold every sale gross, as its invoice says and as VAT wants. What differs is what is presented as revenue: of an
offer that we sell as agent, what is left of a sale once the subscribers' and the operator's shares are taken from it. A sale
keeps what was judged when it was ordered, and so does what goes back of it: figures of a month that is over stay.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.offers.tables import Offer
from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.core.errors import Invalid, NotFound, existing
from marketplace.core.web.i18n import gettext
from marketplace.core.words import Words
from marketplace.finance.bookkeeping.business_queries import SHARES, SOLD, SQL, bounds_of
from marketplace.people.audit_trail.actions import check_reason
from marketplace.people.proposals.actions import propose
from marketplace.people.proposals.rules import Decision, ProposalKind

if TYPE_CHECKING:
    import datetime as dt

    from marketplace.people.identity.actors import Actor

ROLES: Final = ("principal", "agent")
NAMES: Final = {"principal": "Principal", "agent": "Agent", None: "Principal, until judged"}


class OfferRevenue(Struct, frozen=True):
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
    """What we are in the sales of an offer, and the three reasons of IFRS 15 (B37)."""

    offer: uuid.UUID
    dataset: str
    role: str
    control: str
    risk: str
    price: str


async def list_presented(first: dt.date, last: dt.date) -> list[OfferRevenue]:
    """Return every offer with what its sales brought between two days, both included, the largest first."""
    return await fetch_rows(OfferRevenue, SQL["list_presented"], *SOLD, SHARES, *bounds_of(first, last))


async def _check(document: Judgement) -> None:
    if document.role not in ROLES:
        raise Invalid("We are principal or agent.")


async def _apply(_document: Judgement, _decision: Decision) -> None:
    """Do nothing: revenue is presented by what is approved."""


def _facts(document: Judgement) -> list[tuple[str, str]]:
    return [
        (gettext("We are"), gettext(NAMES[document.role])),
        (gettext("Control"), document.control),
        (gettext("Risk"), document.risk),
        (gettext("Price"), document.price),
    ]


JUDGEMENT: Final = ProposalKind(
    code="judgement",
    document=Judgement,
    words=Words("Principal or agent to decide"),
    path="/finance/business/roles",
    refusal="A proposal for that offer waits already.",
    check=_check,
    apply=_apply,
    subject="{offer}",
    reference="{dataset}",
    about="offer {offer}",
    facts=_facts,
    noted={"role": "role"},
)


async def propose_judgement(
    dataset: str, role: str, actor: Actor, *, control: str, risk: str, price: str, form_id: uuid.UUID
) -> None:
    """Propose what we are in the sales of a dataset's offer, once a form, and one proposal an offer at a time."""
    reasons = [check_reason(text) for text in (control, risk, price)]
    offer = existing(
        await fetch_scalar(uuid.UUID, Offer.select(Offer.id).where(Offer.dataset == dataset)),
        NotFound("There is no such offer."),
    )
    await propose(JUDGEMENT, Judgement(offer, dataset, role, *reasons), actor, form_id=form_id)
