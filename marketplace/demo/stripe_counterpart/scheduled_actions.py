"""Scheduled actions: money becomes available, sessions and authorisations expire, banks answer, payouts are made."""

from marketplace.demo.stripe_counterpart.balance import make_available
from marketplace.demo.stripe_counterpart.checkout import expire_if_due, record_settlement
from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.payment_intents import expire_authorization, settle
from marketplace.demo.stripe_counterpart.payouts import pay_out_available
from marketplace.demo.stripe_counterpart.refunds import fail_refund_if_due
from marketplace.demo.stripe_counterpart.state import DAY, StripeState

_DAILY_PAYOUT = "daily_payout"


def run_due_actions(state: StripeState) -> None:
    """Run every action that is due, in order; within a transaction."""
    while (due := state.pop_due_action()) is not None:
        _ACTIONS[due.action](state, due.subject)


def settle_debit(state: StripeState, charge_id: str) -> None:
    """Settle or fail a pending debit, and record it in its checkout session."""
    intent = settle(state, state.get("charge", charge_id))
    if intent is not None:
        record_settlement(state, intent)


def settle_all_debits(state: StripeState) -> int:
    """Settle or fail every pending debit now, and return how many there were."""
    pending = state.select("charge", "json_extract(body, '$.status') = 'pending' ORDER BY sequence")
    for charge in pending:
        settle_debit(state, charge["id"])
    return len(pending)


def start_daily_payouts(state: StripeState) -> None:
    """Schedule an automatic payout every midnight (UTC) from now on; idempotent."""
    if state.setting(_DAILY_PAYOUT, "off") == "off":
        state.set_setting(_DAILY_PAYOUT, "on")
        _schedule_payout(state, (state.now() // DAY + 1) * DAY)


def _schedule_payout(state: StripeState, midnight: int) -> None:
    state.schedule(midnight, _DAILY_PAYOUT, str(midnight))


def _pay_out_daily(state: StripeState, midnight: str) -> None:
    """Pay out and schedule the next day's payout: if the clock jumps, every midnight between is run in order."""
    try:
        with state.savepoint():
            pay_out_available(state)
    except ApiError:
        pass  # Nothing was available that day.
    _schedule_payout(state, int(midnight) + DAY)


_ACTIONS = {
    "daily_payout": _pay_out_daily,
    "expire_authorization": expire_authorization,
    "expire_session": expire_if_due,
    "fail_refund": fail_refund_if_due,
    "make_available": make_available,
    "settle_debit": settle_debit,
}
