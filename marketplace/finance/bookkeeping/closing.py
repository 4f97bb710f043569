"""Closing a month: a list of checks, every one of which must pass; what is wrong names itself. A closed month stays closed."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.web.i18n import gettext
from marketplace.finance.bank.queries import closing_balance, count_accounts, list_behind, list_gaps
from marketplace.finance.reconciliation.exception_queries import list_blocking
from marketplace.finance.reconciliation.queries import last_run
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import bounds, close_period, closed_until, list_open, lock_periods, next_month
from marketplace.money.ledger.queries import balance, trial_balance
from marketplace.money.payments.tables import BalanceTransaction
from marketplace.people.audit_trail.actions import note_action
from marketplace.subscribers.earnings.queries import list_unequal_accounts
from pricing.money import EUR, decimal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.people.identity.actors import Actor

HEADINGS = {
    "in_order": "The month is over, and those before it are closed",
    "stripe_agrees": "Stripe and the books were compared since, and agree to the cent",
    "categories_known": "Every category of Stripe’s has an account",
    "nothing_open": "No exception of the month is open",
    "bank_complete": "Bank statements cover the month without a gap",
    "bank_agrees": "The bank in the books is the bank’s own balance",
    "nothing_in_suspense": "Nothing waits to be explained",
    "subscribers_agree": "What subscribers are owed is what the books say",
    "balanced": "Debits equal credits",
}
MOST_NAMED = 5
WITHOUT_ACCOUNT: Final = ("unknown_category", "other_currency")
"""Exceptions that a check of their own names."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a close."""

    name: str
    passes: bool
    found: list[str] = field(default_factory=list)
    """What is in the way: names and figures, not sentences."""
    more: int = 0
    """How many more there are than are named."""


def _check(name: str, found: list[str]) -> Check:
    return Check(name, not found, found[:MOST_NAMED], max(0, len(found) - MOST_NAMED))


async def checks_of(month: dt.date, *, kept: bool = False) -> list[Check]:
    """Return every check of a month's close, in order; kept: with exceptions as the last look found them, for a page."""
    _, ends_at = bounds(month)
    blocking = await list_blocking(ends_at, kept=kept)
    unknown = [row for row in blocking if row.why in WITHOUT_ACCOUNT]
    others = [row for row in blocking if row.why not in (*WITHOUT_ACCOUNT, "balance_differs")]
    suspense = await balance(chart.SUSPENSE, _last(ends_at))
    total = sum(row.balance_minor for row in await trial_balance(_last(ends_at)))
    return [
        _check("in_order", await _out_of_order(month, ends_at)),
        _check("stripe_agrees", await _stripe(ends_at)),
        _check("categories_known", list(dict.fromkeys(row.detail for row in unknown))),
        _check("nothing_open", [f"{row.why} {row.reference}" for row in others]),
        _check("bank_complete", await _bank_gaps(month, ends_at)),
        _check("bank_agrees", await _bank_balance()),
        _check("nothing_in_suspense", [f"{decimal(suspense)} {EUR}"] if suspense else []),
        _check("subscribers_agree", await _subscribers()),
        _check("balanced", [f"{decimal(total)} {EUR}"] if total else []),
    ]


async def close_month(month: dt.date, actor: Actor, noted: Mapping[str, str] | None = None) -> None:
    """Close a month for ever, with what was checked; refuse while any check fails, naming the first that does.

    noted: what else the audit trail says. The caller sees to it that two people agreed, see `months`.
    """
    if actor.person is None:
        raise Invalid("Say which month by its first day.")
    async with transaction():
        checks = await check_closable(month)
        await close_period(month, actor.person, [asdict(check) for check in checks])
        await note_action(
            actor, "period_closed", month.isoformat()[:7], after={"checks": len(checks)} | dict(noted or {})
        )


async def check_closable(month: dt.date) -> list[Check]:
    """Return the checks of a month that may close now, with the periods locked; refuse it while any fails."""
    if month.day != 1:
        raise Invalid("Say which month by its first day.")
    await lock_periods()
    until = await closed_until()
    if until is not None and bounds(month)[1] <= until:
        raise Conflict("That month is closed, and a closed month never opens again.")
    checks = await checks_of(month)
    failing = [check for check in checks if not check.passes]
    if failing:
        raise Conflict(
            "The month cannot close: {check} ({found}).",
            check=gettext(HEADINGS[failing[0].name]),
            found=", ".join(failing[0].found),
        )
    return checks


def _last(ends_at: dt.datetime) -> dt.datetime:
    return ends_at - dt.timedelta(microseconds=1)


async def _out_of_order(month: dt.date, ends_at: dt.datetime) -> list[str]:
    now = clock.now()
    if ends_at > now:
        return [month.isoformat()[:7]]
    return [earlier.isoformat()[:7] for earlier in await list_open(now) if earlier < month]


async def _stripe(ends_at: dt.datetime) -> list[str]:
    """Name the last comparison when it is from before the month's end, or does not agree."""
    run = await last_run()
    if run is None:
        return ["–"]
    if run.at < ends_at:
        return [run.at.isoformat()[:16]]
    return [] if run.stripe_minor == run.ledger_minor else [f"{decimal(run.stripe_minor - run.ledger_minor)} {EUR}"]


async def _bank_gaps(month: dt.date, ends_at: dt.datetime) -> list[str]:
    """Name what is missing of the bank's statements; a month without any bank needs none."""
    if not await count_accounts():
        return (
            ["–"]
            if await BalanceTransaction.exists().where(
                (BalanceTransaction.category == "payout") & (BalanceTransaction.created_at < ends_at)
            )
            else []
        )
    until = next_month(month)
    gaps = [f"{gap.iban} {gap.statement_id}" for gap in await list_gaps(before=until)]
    return gaps + [f"{account.iban} {account.closed_on}" for account in await list_behind(until)]


async def _bank_balance() -> list[str]:
    """Name the difference between the books' bank and the last closing balances."""
    closing, books = await closing_balance(), await balance(chart.BANK)
    return [] if closing == books else [f"{decimal(books - closing)} {EUR}"]


async def _subscribers() -> list[str]:
    """Name a control account that its sub-ledger contradicts."""
    return await list_unequal_accounts()
