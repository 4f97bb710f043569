"""What happens by itself: money becomes available, sessions and authorisations expire, banks answer, payouts leave."""

from marketplace.embedded.stripe_counterpart.balance import make_available, pay_out_available
from marketplace.embedded.stripe_counterpart.checkout import expire_if_due, tell_settlement
from marketplace.embedded.stripe_counterpart.payment_intents import expire_authorization, settle
from marketplace.embedded.stripe_counterpart.refusals import Refused
from marketplace.embedded.stripe_counterpart.world import DAY, World

_DAILY_PAYOUT = "daily_payout"


def catch_up(world: World) -> None:
    """Let everything happen whose time has come, in its order; within a transaction."""
    while (alarm := world.take_alarm()) is not None:
        _ACTIONS[alarm.action](world, alarm.subject)


def settle_debit(world: World, charge_id: str) -> None:
    """Let the bank answer a pending debit, and tell the session that waits for it."""
    intent = settle(world, world.get("charge", charge_id))
    if intent is not None:
        tell_settlement(world, intent)


def settle_all_debits(world: World) -> int:
    """Let the banks answer every pending debit now, and return how many there were."""
    pending = world.select("charge", "json_extract(body, '$.status') = 'pending' ORDER BY sequence")
    for charge in pending:
        settle_debit(world, charge["id"])
    return len(pending)


def start_daily_payouts(world: World) -> None:
    """Have Stripe pay out what is available every day from now on; safe to call at every start."""
    if world.setting(_DAILY_PAYOUT, "off") == "off":
        world.set_setting(_DAILY_PAYOUT, "on")
        _set_payout_alarm(world, (world.now() // DAY + 1) * DAY)


def _set_payout_alarm(world: World, midnight: int) -> None:
    world.set_alarm(midnight, _DAILY_PAYOUT, str(midnight))


def _pay_out_daily(world: World, midnight: str) -> None:
    """Pay out, and again the day after: a jump in time plays every midnight between, in its order with the rest."""
    try:
        with world.attempt():
            pay_out_available(world)
    except Refused:
        pass  # Nothing was available that day, as on most days of a quiet business.
    _set_payout_alarm(world, int(midnight) + DAY)


_ACTIONS = {
    "daily_payout": _pay_out_daily,
    "expire_authorization": expire_authorization,
    "expire_session": expire_if_due,
    "make_available": make_available,
    "settle_debit": settle_debit,
}
