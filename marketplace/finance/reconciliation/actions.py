"""Finance's verbs: compare the books with Stripe, and decide that an order's money goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core import clock
from marketplace.core.database import execute, fetch_scalar, transaction
from marketplace.core.errors import Unavailable
from marketplace.finance.bank.matching import match_stripe_payouts
from marketplace.finance.reconciliation.exception_queries import count_exceptions
from marketplace.finance.reconciliation.tables import Reconciliation, RefundDecision
from marketplace.money.ledger.chart import STRIPE
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import mirror_balance, read_balance
from marketplace.money.payments.outbox import give_up_command, retry_command
from marketplace.money.payments.stripe_port import SilentError
from marketplace.people.audit_trail.actions import check_reason, note_action
from marketplace.sales.orders.refunds import request_order_refund

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


async def refund_order(
    order_id: uuid.UUID,
    actor: Actor,
    *,
    reason: str,
    form_id: uuid.UUID,
    amount_minor: int | None = None,
    bears_loss: bool = False,
) -> None:
    """Give an order's money back, or a part of it, once a form, and keep who decided it and why.

    amount_minor: VAT included; None: all that is left. bears_loss: after the hold, the operator pays for shares that stay.
    """
    reason = check_reason(reason)
    async with transaction():
        # Before the decision's own key shares that lock: two clerks at once would each wait for the other.
        await execute("SELECT FROM purchase_order WHERE id = $1 FOR UPDATE", order_id)
        is_new = await execute(
            """INSERT INTO refund_decision (id, purchase_order, person, reason, decided_at)
               SELECT $1, id, $3, $4, $5 FROM purchase_order WHERE id = $2 ON CONFLICT (id) DO NOTHING""",
            form_id,
            order_id,
            actor.person,
            reason,
            clock.now(),
        )
        if is_new or not await RefundDecision.exists().where(RefundDecision.id == form_id):
            await request_order_refund(
                order_id, actor.name, refund_id=form_id, amount_minor=amount_minor, bears_loss=bears_loss
            )
            await note_action(
                actor,
                "order_refunded",
                f"order {order_id}",
                reason=reason,
                after={"amount_minor": amount_minor or "all"} | ({"bears_loss": True} if bears_loss else {}),
            )


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
