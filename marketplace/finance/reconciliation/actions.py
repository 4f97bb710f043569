"""Finance's verbs: compare the books with Stripe, and decide what becomes of a command that is stuck there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core import clock
from marketplace.core.database import fetch_scalar, transaction
from marketplace.core.errors import Unavailable
from marketplace.finance.bank.matching import match_stripe_payouts
from marketplace.finance.reconciliation.exception_queries import count_exceptions
from marketplace.finance.reconciliation.tables import Reconciliation
from marketplace.money.ledger.chart import STRIPE
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import mirror_balance, read_balance
from marketplace.money.payments.outbox import give_up_command, retry_command
from marketplace.money.payments.stripe_port import SilentError
from marketplace.people.audit_trail.actions import check_reason, note_action

if TYPE_CHECKING:
    import uuid

    from marketplace.people.identity.actors import Actor

ATTEMPTS = 3


async def reconcile() -> int:
    """Mirror Stripe's balance, compare it with the books, match payouts with the bank, and record what was seen.

    Return the record's id.

    Money may move between two answers of Stripe, so a difference counts only when it stays. Refuses Unavailable where
    Stripe does not answer.
    """
    stripe_minor = ledger_minor = 0
    try:
        for _ in range(ATTEMPTS):
            await mirror_balance()
            stripe_minor, ledger_minor = await read_balance(), await balance(STRIPE)
            if stripe_minor == ledger_minor:
                break
    except SilentError as silence:
        raise Unavailable("Stripe does not answer just now; try again in a minute.", cause=str(silence)) from silence
    await match_stripe_payouts()
    unmatched = await count_exceptions()
    run = Reconciliation(at=clock.now(), stripe_minor=stripe_minor, ledger_minor=ledger_minor, unmatched=unmatched)
    made = await fetch_scalar(int, Reconciliation.insert(run).returning(Reconciliation.id))
    assert made is not None
    return made


async def try_again(command_id: uuid.UUID, actor: Actor) -> None:
    """Have Stripe asked again at once, and keep who wanted it."""
    async with transaction():
        await retry_command(command_id)
        await note_action(actor, "command_retried", f"command {command_id}")


async def give_up(command_id: uuid.UUID, actor: Actor, *, reason: str) -> None:
    """Ask Stripe no more, and keep who gave up and why."""
    reason = check_reason(reason)
    async with transaction():
        await give_up_command(command_id, actor.name, reason)
        await note_action(actor, "command_given_up", f"command {command_id}", reason=reason)
