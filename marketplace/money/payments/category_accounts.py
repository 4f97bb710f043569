"""Accounts for Stripe's categories that the chart does not know: one person proposes one, another decides.

Until then nothing of the category is posted and no month closes. Earlier postings stay: an account approved later for
the same category counts for later postings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from marketplace.core.errors import Conflict, Invalid
from marketplace.core.web.i18n import gettext
from marketplace.core.words import Words
from marketplace.money.ledger import chart
from marketplace.money.ledger.entry_kinds import ENTRY_KINDS
from marketplace.money.ledger.words import title_of
from marketplace.money.payments.balance import CategoryAccount, post_unposted
from marketplace.people.audit_trail.actions import check_reason
from marketplace.people.proposals.actions import propose
from marketplace.people.proposals.rules import Decision, ProposalKind

if TYPE_CHECKING:
    import uuid

    from marketplace.people.identity.actors import Actor

MAY_COUNTER: Final = (
    chart.SUPPLIERS,
    chart.PARTNERS,
    chart.DISPUTES,
    chart.VAT_DEDUCTIBLE,
    chart.TRANSFERS,
    chart.FEES_OF_THIRD_PARTIES,
    chart.STRIPE_FEES,
    chart.BANK_CHARGES,
    chart.LOSSES,
    chart.DIFFERENCES_LOST,
    chart.DIFFERENCES_GAINED,
)
"""Accounts that people may choose: the others have a sub-ledger, a bank or a sale that must agree with them."""


async def _check(document: CategoryAccount) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,99}", document.category):
        raise Invalid("Stripe has no category of that name.")
    if f"stripe_{document.category}" in ENTRY_KINDS:
        raise Conflict("The chart has an account for that category.")
    if document.account not in MAY_COUNTER:
        raise Invalid("Choose an account of the list.")


async def _post(_document: CategoryAccount, _decision: Decision) -> None:
    """Post the movements that waited for the account."""
    await post_unposted()


def _facts(document: CategoryAccount) -> list[tuple[str, str]]:
    return [(gettext("Account"), f"{document.account} · {title_of(document.account)}")]


CATEGORY_ACCOUNT: Final = ProposalKind(
    code="category",
    document=CategoryAccount,
    words=Words("Account of a category to decide"),
    path="/finance/categories",
    refusal="Someone has proposed an account for that category already.",
    check=_check,
    apply=_post,
    subject="{category}",
    reference="{category}",
    facts=_facts,
    noted={"account": "account"},
    verbs={what: f"category_account_{what}" for what in ("proposed", "approved", "refused")},
)


async def propose_category_account(
    category: str, account: str, actor: Actor, *, reason: str, form_id: uuid.UUID
) -> None:
    """Propose an account for a category: once a form, and one proposal a category at a time."""
    document = CategoryAccount(category, account)
    await propose(CATEGORY_ACCOUNT, document, actor, form_id=form_id, reason=check_reason(reason))
