"""The control plane: actions of tests and of the demo's seed, by POST /_test/NAME with a JSON object.

Product code never calls it. It moves the clock, lets banks answer, makes disputes and payouts, and plans faults of the
network between the marketplace and Stripe.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from marketplace.demo.stripe_counterpart import (
    balance,
    checkout,
    connect,
    disputes,
    payouts,
    refunds,
    scheduled_actions,
)
from marketplace.demo.stripe_counterpart.errors import ApiError, PaymentDeclinedError
from marketplace.demo.stripe_counterpart.events import add_event, queue_delivery
from marketplace.demo.stripe_counterpart.http_messages import Request, Response, json_response
from marketplace.demo.stripe_counterpart.payment_intents import authenticate, fail_after_success
from marketplace.demo.stripe_counterpart.responses import to_public
from marketplace.demo.stripe_counterpart.state import Delivery, Origin, StripeState
from marketplace.demo.stripe_counterpart.stripe_types import API_VERSION, Json
from marketplace.demo.stripe_counterpart.webhook_sender import NetworkConditions, WebhookSender

PREFIX = "/_test/"


_Positive = Annotated[int, msgspec.Meta(ge=1)]


class _Parameters(msgspec.Struct, forbid_unknown_fields=True):
    """Parameters of an action, as JSON; names and types are strict."""


class Nothing(_Parameters):
    """No parameters."""


class Clock(_Parameters):
    """How far to move the clock forward."""

    days: float = 0
    seconds: int = 0


class Fault(_Parameters):
    """A fault of the next `times` API calls whose path fully matches the pattern.

    drop_before: the request never arrives. drop_after: it is executed and its answer is lost. status: it is answered
    with that error, and `code` if given, and not executed. saved500: Stripe crashes and saves the 500 under the key; `executed` says whether
    the effect is kept. delay: the key is reserved for some seconds before the call is executed. webhooks: what happens
    to deliveries until `nofault`.
    """

    kind: Literal["drop_before", "drop_after", "status", "saved500", "delay", "webhooks"]
    path: str = ".*"
    method: str | None = None
    times: _Positive = 1
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    code: str | None = None
    retry: bool = True
    executed: bool = False
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    pause: bool = False
    lose: bool = False
    duplicate: bool = False
    shuffle: bool = False

    def matches(self, method: str, path: str) -> bool:
        """Whether this fault applies to a call."""
        return self.method in (None, method) and re.fullmatch(self.path, path) is not None


class Currency(_Parameters):
    """A currency."""

    currency: str = "eur"


class PayoutId(_Parameters):
    """A payout."""

    payout: str


class RefundId(_Parameters):
    """A refund."""

    refund: str


class AccountId(_Parameters):
    """A connected account."""

    account: str


class NewDispute(_Parameters):
    """Which charge is disputed, directly or by its intent, and how."""

    payment_intent: str | None = None
    charge: str | None = None
    amount: _Positive | None = None
    reason: str | None = None


class ChargeId(_Parameters):
    """A charge, directly or by its intent."""

    payment_intent: str | None = None
    charge: str | None = None


class DisputeOutcome(_Parameters):
    """How a dispute is closed."""

    dispute: str
    won: bool


class Payment(_Parameters):
    """A session paid without its page, by a card token (`tok_visa`) or an IBAN."""

    session: str
    token: str | None = None
    iban: str | None = None


class Authentication(_Parameters):
    """The payer's answer to their bank."""

    payment_intent: str
    agreed: bool


class Fee(_Parameters):
    """One of Stripe's own fees, in cents."""

    amount: _Positive
    description: str
    currency: str = "eur"


class NewEvent(_Parameters):
    """An event of any object, real or not, as some API version shows it."""

    type: str
    object: Json
    api_version: str = API_VERSION


class OurAccount(_Parameters):
    """The setup of our own account: its capabilities' states, what it still owes Stripe, when it is paid out."""

    charges_enabled: bool = True
    payouts_enabled: bool = True
    currency: str = "eur"
    sepa: str = "active"
    due: list[str] = []
    interval: Literal["daily", "weekly", "monthly", "manual"] = "daily"


class Redelivery(_Parameters):
    """Which events to deliver again: one, or all. Every pending delivery becomes due."""

    event: str | None = None
    all: bool = False


@dataclass
class Control:
    """The control plane of one state."""

    state: StripeState
    sender: WebhookSender
    _faults: list[Fault] = field(default_factory=list)

    def next_fault(self, method: str, path: str) -> Fault | None:
        """Return the fault that applies to this call and count it, or None."""
        struck = next((fault for fault in self._faults if fault.matches(method, path)), None)
        if struck is not None:
            struck.times -= 1
            if struck.times == 0:
                self._faults.remove(struck)
        return struck

    def handle(self, request: Request) -> Response:
        """Run one action in one transaction."""
        action = _ACTIONS.get(request.path.removeprefix(PREFIX))
        if action is None or request.method != "POST":
            return json_response(404, {"error": {"message": f"POST {PREFIX} one of: {', '.join(sorted(_ACTIONS))}"}})
        try:
            with self.state.transaction(Origin(request.base)):
                scheduled_actions.run_due_actions(self.state)
                try:
                    answer = action(self, request.body or b"{}")
                except PaymentDeclinedError as declined:
                    return json_response(declined.status, declined.body)
        except msgspec.DecodeError as invalid:
            return json_response(400, {"error": {"message": str(invalid)}})
        except ApiError as refused:
            return json_response(refused.status, refused.body)
        return json_response(200, answer)

    # -------------------------------------------------------------- time and the network
    def clock(self, parameters: Clock) -> Json:
        """Move the clock forward and run the actions that are due by then."""
        now = self.state.advance_clock(int(parameters.days * 86_400) + parameters.seconds)
        scheduled_actions.run_due_actions(self.state)
        return {"now": now}

    def fault(self, parameters: Fault) -> Json:
        """Plan a fault."""
        if parameters.kind == "webhooks":
            self.sender.network = NetworkConditions(
                parameters.pause, parameters.lose, parameters.duplicate, parameters.shuffle
            )
        else:
            self._faults.append(parameters)
        planned: Json = msgspec.to_builtins(parameters)
        return planned

    def nofault(self, _parameters: Nothing) -> Json:
        """Clear every fault; paused deliveries are sent."""
        self._faults.clear()
        self.sender.network = NetworkConditions()
        return {}

    def deliver(self, parameters: Redelivery) -> Json:
        """Deliver events again, and end a pause."""
        self.sender.network.pause = False
        again = self.state.select("event", "(? OR id = ?) ORDER BY sequence", (parameters.all, parameters.event))
        endpoints = self.state.select("webhook_endpoint", "json_extract(body, '$.status') = 'enabled'")
        for event in again:
            for endpoint in endpoints:
                queue_delivery(self.state, event["id"], endpoint["id"])
        self.state.execute("UPDATE delivery SET due_at = ? WHERE outcome IS NULL", (time.time(),))
        [pending] = self.state.fetch_rows(int, "SELECT count(*) FROM delivery WHERE outcome IS NULL")
        return {"owed": pending}

    def event(self, parameters: NewEvent) -> Json:
        """Record an event of an object that need not exist here."""
        data: Json = {"object": parameters.object}
        return to_public(add_event(self.state, parameters.type, data, api_version=parameters.api_version))

    def log(self, _parameters: Nothing) -> Json:
        """Return every delivery with its attempts, outcome and last result."""
        deliveries = self.state.fetch_rows(
            Delivery, "SELECT id, event, endpoint, attempts, outcome, result FROM delivery ORDER BY id"
        )
        return {"deliveries": msgspec.to_builtins(deliveries)}

    def forget_keys(self, _parameters: Nothing) -> Json:
        """Delete every saved answer, as Stripe does after a day."""
        self.state.execute("DELETE FROM answer")
        return {}

    def reset(self, _parameters: Nothing) -> Json:
        """Delete everything and clear every fault."""
        self.nofault(Nothing())
        self.state.reset()
        return {}

    # -------------------------------------------------------------- banks, payers and Stripe itself
    def settle(self, _parameters: Nothing) -> Json:
        """Settle or fail every pending debit."""
        return {"settled": scheduled_actions.settle_all_debits(self.state)}

    def payout(self, parameters: Currency) -> Json:
        """Make Stripe's automatic payout of what is available."""
        return to_public(payouts.pay_out_available(self.state, parameters.currency))

    def fail_payout(self, parameters: PayoutId) -> Json:
        """Let the bank return a payout."""
        return to_public(payouts.fail_payout(self.state, parameters.payout))

    def fail_refund(self, parameters: RefundId) -> Json:
        """Let the holder's bank return a refund."""
        return to_public(refunds.fail_refund(self.state, parameters.refund))

    def fee(self, parameters: Fee) -> Json:
        """Charge one of Stripe's own fees."""
        return to_public(balance.charge_fee(self.state, parameters.amount, parameters.description, parameters.currency))

    def dispute(self, parameters: NewDispute) -> Json:
        """Dispute a charge."""
        charge = self._charge(parameters.charge, parameters.payment_intent)
        return to_public(disputes.open_dispute(self.state, charge, parameters.amount, parameters.reason))

    def fail_charge(self, parameters: ChargeId) -> Json:
        """Fail a charge after it had succeeded."""
        return to_public(fail_after_success(self.state, self._charge(parameters.charge, parameters.payment_intent)))

    def _charge(self, charge: str | None, intent: str | None) -> Json:
        if intent is not None:
            charge = self.state.get("payment_intent", intent)["latest_charge"]
        return self.state.get("charge", charge or "")

    def close_dispute(self, parameters: DisputeOutcome) -> Json:
        """Close a dispute."""
        dispute = self.state.get("dispute", parameters.dispute)
        return to_public(disputes.close_dispute(self.state, dispute, won=parameters.won))

    def pay(self, parameters: Payment) -> Json:
        """Pay a session without its page."""
        method: Json = {"type": "card", "card": {"token": parameters.token or "tok_visa"}}
        if parameters.iban is not None:
            method = {"type": "sepa_debit", "sepa_debit": {"iban": parameters.iban}}
        session = self.state.get("checkout.session", parameters.session)
        return to_public(checkout.pay_session(self.state, session, method))

    def authenticate(self, parameters: Authentication) -> Json:
        """Give the payer's answer to their bank."""
        intent = authenticate(
            self.state, self.state.get("payment_intent", parameters.payment_intent), agreed=parameters.agreed
        )
        session = checkout.session_of_intent(self.state, intent["id"])
        if session is not None:
            checkout.complete_if_paid(self.state, session, intent)
        return to_public(intent)

    def our_account(self, parameters: OurAccount) -> Json:
        """Set up our own account."""
        self.state.set_setting(connect.OUR_ACCOUNT, msgspec.json.encode(parameters).decode())
        return connect.retrieve_our_account(self.state)

    def onboard(self, parameters: AccountId) -> Json:
        """Complete the onboarding of an account."""
        return to_public(connect.onboard(self.state, self.state.get("account", parameters.account)))


_Action = Callable[[Control, bytes], Json]


def _action(execute: Callable[[Control, Any], Json], parameters: type[_Parameters]) -> _Action:
    return lambda control, body: execute(control, msgspec.json.decode(body, type=parameters))


_ACTIONS: dict[str, _Action] = {
    "authenticate": _action(Control.authenticate, Authentication),
    "clock": _action(Control.clock, Clock),
    "close_dispute": _action(Control.close_dispute, DisputeOutcome),
    "deliver": _action(Control.deliver, Redelivery),
    "dispute": _action(Control.dispute, NewDispute),
    "event": _action(Control.event, NewEvent),
    "fail_charge": _action(Control.fail_charge, ChargeId),
    "fail_payout": _action(Control.fail_payout, PayoutId),
    "fail_refund": _action(Control.fail_refund, RefundId),
    "fault": _action(Control.fault, Fault),
    "fee": _action(Control.fee, Fee),
    "forget_keys": _action(Control.forget_keys, Nothing),
    "log": _action(Control.log, Nothing),
    "nofault": _action(Control.nofault, Nothing),
    "onboard": _action(Control.onboard, AccountId),
    "our_account": _action(Control.our_account, OurAccount),
    "pay": _action(Control.pay, Payment),
    "payout": _action(Control.payout, Currency),
    "reset": _action(Control.reset, Nothing),
    "settle": _action(Control.settle, Nothing),
}
