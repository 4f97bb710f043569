"""What two people decide of credit: a partner's limit, and provisions and bad debts of what is overdue."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_scalar, transaction
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.web.i18n import gettext
from marketplace.core.words import Words
from marketplace.money.credit import rules
from marketplace.money.credit.actions import lock_sale, write_movement
from marketplace.money.credit.tables import CreditSale
from marketplace.money.message_kinds import CREDIT_LIMIT_SET, INVOICE_UNPAID
from marketplace.people.audit_trail.actions import check_reason
from marketplace.people.identity.tables import Partner
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.people.proposals.actions import propose
from marketplace.people.proposals.rules import Decision, ProposalKind

if TYPE_CHECKING:
    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor

KINDS: Final = {"limit": "Limit", "provision": "Provision", "loss": "Bad debt"}


class CreditDecision(Struct, frozen=True):
    """A limit for a partner, or a provision or bad debt of a sale on credit; `amount_minor` in cents.

    of: `partner …` or `order …`, about which one proposal waits at a time. name: the company, or the order's number.
    """

    kind: Literal["limit", "provision", "loss"]
    partner: uuid.UUID
    sale: uuid.UUID | None
    of: str
    name: str
    amount_minor: int


async def propose_limit(
    partner: uuid.UUID, amount_minor: int, actor: Actor, *, reason: str, form_id: uuid.UUID
) -> None:
    """Propose up to what amount a partner may buy on invoice, zero for not at all; once a form."""
    company = await fetch_scalar(str, Partner.select(Partner.company).where(Partner.id == partner))
    document = CreditDecision("limit", partner, None, f"partner {partner}", company or "", amount_minor)
    await propose(CREDIT, document, actor, form_id=form_id, reason=check_reason(reason))


async def propose_write_down(
    kind: Literal["provision", "loss"],
    subject: uuid.UUID,
    amount_minor: int,
    actor: Actor,
    *,
    reason: str,
    form_id: uuid.UUID,
) -> None:
    """Propose a provision of an amount for an overdue sale, or to write all that it owes off; once a form."""
    reason = check_reason(reason)
    async with transaction():
        sale = await lock_sale(subject)
        amount = sale.owed_minor - sale.written_off_minor if kind == "loss" else amount_minor
        document = CreditDecision(kind, sale.partner, subject, f"order {subject}", sale.number, amount)
        await propose(CREDIT, document, actor, form_id=form_id, reason=reason)


async def _check(document: CreditDecision) -> None:
    """Refuse a limit beyond any, to write down what is not overdue, and a provision beyond what is owed; locks the sale."""
    amount_minor = document.amount_minor
    if document.sale is None:
        if not 0 <= amount_minor <= rules.LARGEST_LIMIT_MINOR:
            raise Invalid("That is not an amount that a limit may have.", field="amount")
        return
    sale = await lock_sale(document.sale)
    left = sale.owed_minor - sale.written_off_minor
    if left <= 0 or clock.now() <= sale.due_at:
        raise Conflict("Only what is overdue is provided for or written off.")
    if document.kind == "loss" and amount_minor != left:
        raise Conflict("It is about another amount by now: refuse it, and propose it again.")
    if document.kind == "provision" and not 0 < amount_minor <= left - sale.provision_minor:
        raise Invalid("That is not between one cent and what is owed without a provision.", field="amount")


async def _apply(document: CreditDecision, decision: Decision) -> None:
    """Grant a limit; enter a provision, or a bad debt, which its provision does not outlive: the partner is sent a duplicate."""
    to = [Recipient("partner", str(document.partner))]
    if document.sale is None:
        await send(CREDIT_LIMIT_SET, decision.proposal, to)
        return
    sale, amount_minor = await lock_sale(document.sale), document.amount_minor
    if document.kind == "provision":
        changed: Values = {CreditSale.provision_minor: sale.provision_minor + amount_minor}
    else:
        if sale.provision_minor:
            await write_movement(sale, "provision_released", sale.provision_minor, decision.at)
        changed = {CreditSale.written_off_minor: sale.written_off_minor + amount_minor, CreditSale.provision_minor: 0}
        await send(INVOICE_UNPAID, decision.proposal, to, number=sale.number, id=str(sale.subject))
    await write_movement(sale, document.kind, amount_minor, decision.at)
    await CreditSale.update(changed).where(CreditSale.subject == sale.subject)


def _facts(document: CreditDecision) -> list[tuple[str, str]]:
    return [(gettext("What"), gettext(KINDS[document.kind]))]


CREDIT: Final = ProposalKind(
    code="credit",
    document=CreditDecision,
    words=Words("Credit to decide"),
    path="/finance/decisions?kind=credit",
    refusal="A proposal about that waits already.",
    check=_check,
    apply=_apply,
    subject="{of}",
    reference="{name}",
    about="{of}",
    facts=_facts,
    noted={"amount_minor": "amount_minor"},
    verbs={what: f"credit_{{kind}}_{what}" for what in ("proposed", "approved", "refused")},
)
