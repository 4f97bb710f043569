"""The control plane: what only tests and the demo's seeding may do, by POST /_test/NAME with a JSON object.

Product code never calls it. It moves time, lets banks answer, makes payouts and disputes, and breaks the network
between the marketplace and Stripe.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from marketplace.embedded.stripe_counterpart import balance, checkout, connect, disputes, passing_time, refunds
from marketplace.embedded.stripe_counterpart.contract import Json, shown
from marketplace.embedded.stripe_counterpart.events import owe_delivery
from marketplace.embedded.stripe_counterpart.messages import Request, Response, json_response
from marketplace.embedded.stripe_counterpart.payment_intents import authenticate, fail_late
from marketplace.embedded.stripe_counterpart.refusals import Declined, Refused
from marketplace.embedded.stripe_counterpart.webhooks import Courier, Weather
from marketplace.embedded.stripe_counterpart.world import Origin, World

PREFIX = "/_test/"


_Positive = Annotated[int, msgspec.Meta(ge=1)]


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """What an action is asked, as JSON; strict about names and types."""


class Nothing(_Asked):
    """No parameters."""


class Clock(_Asked):
    """How far to move the world's time forward."""

    days: float = 0
    seconds: int = 0


class Fault(_Asked):
    """What goes wrong with the next `times` API calls whose path fully matches the pattern.

    drop_before: the request never arrives. drop_after: it is executed and its answer is lost. status: it is answered
    with that error without being executed. saved500: Stripe crashes and saves the 500 under the key; executed tells
    whether the effect is kept. delay: the key is held for some seconds before the call is executed. webhooks: how
    deliveries fare, until `nofault`.
    """

    kind: Literal["drop_before", "drop_after", "status", "saved500", "delay", "webhooks"]
    path: str = ".*"
    method: str | None = None
    times: _Positive = 1
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    retry: bool = True
    executed: bool = False
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    hold: bool = False
    lose: bool = False
    duplicate: bool = False
    shuffle: bool = False

    def strikes(self, method: str, path: str) -> bool:
        """Whether this fault meets a call."""
        return self.method in (None, method) and re.fullmatch(self.path, path) is not None


class Currency(_Asked):
    """A currency."""

    currency: str = "eur"


class PayoutName(_Asked):
    """A payout."""

    payout: str


class RefundName(_Asked):
    """A refund."""

    refund: str


class AccountName(_Asked):
    """A connected account."""

    account: str


class DisputeAsked(_Asked):
    """Which charge is disputed, directly or by its intent, and how."""

    payment_intent: str | None = None
    charge: str | None = None
    amount: _Positive | None = None
    reason: str | None = None


class ChargeName(_Asked):
    """A charge, directly or by its intent."""

    payment_intent: str | None = None
    charge: str | None = None


class Verdict(_Asked):
    """How a dispute ends."""

    dispute: str
    won: bool


class Payment(_Asked):
    """A session paid without its page, by a card token (`tok_visa`) or an IBAN."""

    session: str
    token: str | None = None
    iban: str | None = None


class Authentication(_Asked):
    """What the payer answers to their bank."""

    payment_intent: str
    agreed: bool


class Fee(_Asked):
    """One of Stripe's own fees, in cents."""

    amount: _Positive
    description: str
    currency: str = "eur"


class Redelivery(_Asked):
    """Which events are owed again: one, or all; neither releases what is only waiting for its next attempt."""

    event: str | None = None
    all: bool = False


@dataclass
class Control:
    """The control plane of one world."""

    world: World
    courier: Courier
    _faults: list[Fault] = field(default_factory=list)

    def take_fault(self, method: str, path: str) -> Fault | None:
        """Return the fault that meets this call and count it, or None."""
        struck = next((fault for fault in self._faults if fault.strikes(method, path)), None)
        if struck is not None:
            struck.times -= 1
            if struck.times == 0:
                self._faults.remove(struck)
        return struck

    def handle(self, request: Request) -> Response:
        """Do what is asked in one transaction."""
        action = _ACTIONS.get(request.path.removeprefix(PREFIX))
        if action is None or request.method != "POST":
            return json_response(404, {"error": {"message": f"POST {PREFIX} one of: {', '.join(sorted(_ACTIONS))}"}})
        try:
            with self.world.transaction(Origin(request.base)):
                passing_time.catch_up(self.world)
                try:
                    answer = action(self, request.body or b"{}")
                except Declined as declined:
                    return json_response(declined.status, declined.body)
        except msgspec.DecodeError as invalid:
            return json_response(400, {"error": {"message": str(invalid)}})
        except Refused as refused:
            return json_response(refused.status, refused.body)
        return json_response(200, answer)

    # -------------------------------------------------------------- time and the network
    def clock(self, asked: Clock) -> Json:
        """Move time forward and let everything happen that is due by then."""
        now = self.world.advance_clock(int(asked.days * 86_400) + asked.seconds)
        passing_time.catch_up(self.world)
        return {"now": now}

    def fault(self, asked: Fault) -> Json:
        """Plan a fault."""
        if asked.kind == "webhooks":
            self.courier.weather = Weather(asked.hold, asked.lose, asked.duplicate, asked.shuffle)
        else:
            self._faults.append(asked)
        planned: Json = msgspec.to_builtins(asked)
        return planned

    def nofault(self, _asked: Nothing) -> Json:
        """End every fault; held deliveries leave."""
        self._faults.clear()
        self.courier.weather = Weather()
        return {}

    def deliver(self, asked: Redelivery) -> Json:
        """Owe events again, and end a hold."""
        self.courier.weather.hold = False
        again = self.world.select("event", "(? OR id = ?) ORDER BY sequence", (asked.all, asked.event))
        endpoints = self.world.select("webhook_endpoint", "json_extract(body, '$.status') = 'enabled'")
        for event in again:
            for endpoint in endpoints:
                owe_delivery(self.world, event["id"], endpoint["id"])
        self.world.query("UPDATE delivery SET due_at = ? WHERE outcome IS NULL", (time.time(),))
        owed = self.world.query("SELECT count(*) FROM delivery WHERE outcome IS NULL")
        return {"owed": owed[0][0]}

    def log(self, _asked: Nothing) -> Json:
        """Return every delivery with its attempts, outcome and last result."""
        rows = self.world.query("SELECT event, endpoint, attempts, outcome, result FROM delivery ORDER BY id")
        names = ("event", "endpoint", "attempts", "outcome", "result")
        return {"deliveries": [dict(zip(names, row, strict=True)) for row in rows]}

    def forget_keys(self, _asked: Nothing) -> Json:
        """Prune every idempotency key, as Stripe does after a day."""
        self.world.query("DELETE FROM answer")
        return {}

    def reset(self, _asked: Nothing) -> Json:
        """Begin an empty world."""
        self.nofault(Nothing())
        self.world.reset()
        return {}

    # -------------------------------------------------------------- banks, payers and Stripe itself
    def settle(self, _asked: Nothing) -> Json:
        """Let the banks answer every pending debit."""
        return {"settled": passing_time.settle_all_debits(self.world)}

    def payout(self, asked: Currency) -> Json:
        """Make Stripe's automatic payout of what is available."""
        return shown(balance.pay_out_available(self.world, asked.currency))

    def fail_payout(self, asked: PayoutName) -> Json:
        """Let the bank return a payout."""
        return shown(balance.fail_payout(self.world, asked.payout))

    def fail_refund(self, asked: RefundName) -> Json:
        """Let the holder's bank return a refund."""
        return shown(refunds.fail_refund(self.world, asked.refund))

    def fee(self, asked: Fee) -> Json:
        """Take one of Stripe's own fees."""
        return shown(balance.charge_fee(self.world, asked.amount, asked.description, asked.currency))

    def dispute(self, asked: DisputeAsked) -> Json:
        """Dispute a charge."""
        charge = self._charge(asked.charge, asked.payment_intent)
        return shown(disputes.open_dispute(self.world, charge, asked.amount, asked.reason))

    def fail_charge(self, asked: ChargeName) -> Json:
        """Let a charge fail whose money had come."""
        return shown(fail_late(self.world, self._charge(asked.charge, asked.payment_intent)))

    def _charge(self, charge: str | None, intent: str | None) -> Json:
        if intent is not None:
            charge = self.world.get("payment_intent", intent)["latest_charge"]
        return self.world.get("charge", charge or "")

    def close_dispute(self, asked: Verdict) -> Json:
        """End a dispute."""
        dispute = self.world.get("dispute", asked.dispute)
        return shown(disputes.close_dispute(self.world, dispute, won=asked.won))

    def pay(self, asked: Payment) -> Json:
        """Pay a session without its page."""
        method: Json = {"type": "card", "card": {"token": asked.token or "tok_visa"}}
        if asked.iban is not None:
            method = {"type": "sepa_debit", "sepa_debit": {"iban": asked.iban}}
        session = self.world.get("checkout.session", asked.session)
        return shown(checkout.pay_session(self.world, session, method))

    def authenticate(self, asked: Authentication) -> Json:
        """Let the payer answer their bank."""
        intent = authenticate(self.world, self.world.get("payment_intent", asked.payment_intent), agreed=asked.agreed)
        session = checkout.session_of_intent(self.world, intent["id"])
        if session is not None:
            checkout.complete_if_paid(self.world, session, intent)
        return shown(intent)

    def onboard(self, asked: AccountName) -> Json:
        """Let an account's owner give everything that is asked of them."""
        return shown(connect.onboard(self.world, self.world.get("account", asked.account)))


_Action = Callable[[Control, bytes], Json]


def _action(play: Callable[[Control, Any], Json], asked: type[_Asked]) -> _Action:
    return lambda control, body: play(control, msgspec.json.decode(body, type=asked))


_ACTIONS: dict[str, _Action] = {
    "authenticate": _action(Control.authenticate, Authentication),
    "clock": _action(Control.clock, Clock),
    "close_dispute": _action(Control.close_dispute, Verdict),
    "deliver": _action(Control.deliver, Redelivery),
    "dispute": _action(Control.dispute, DisputeAsked),
    "fail_charge": _action(Control.fail_charge, ChargeName),
    "fail_payout": _action(Control.fail_payout, PayoutName),
    "fail_refund": _action(Control.fail_refund, RefundName),
    "fault": _action(Control.fault, Fault),
    "fee": _action(Control.fee, Fee),
    "forget_keys": _action(Control.forget_keys, Nothing),
    "log": _action(Control.log, Nothing),
    "nofault": _action(Control.nofault, Nothing),
    "onboard": _action(Control.onboard, AccountName),
    "pay": _action(Control.pay, Payment),
    "payout": _action(Control.payout, Currency),
    "reset": _action(Control.reset, Nothing),
    "settle": _action(Control.settle, Nothing),
}
