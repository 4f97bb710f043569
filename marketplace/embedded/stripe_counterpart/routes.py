"""The calls this counterpart plays: method, path, documented parameters, those it plays, and what happens.

A documented parameter that is not played is refused by name, so that a call never seems to do what it did not do.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import stripe.params
import stripe.params.checkout
import stripe.params.test_helpers

from marketplace.embedded.stripe_counterpart import (
    balance,
    cash,
    changes,
    checkout,
    connect,
    customers,
    disputes,
    endpoints,
    payment_intents,
    payment_methods,
    reading,
    refunds,
    setup_intents,
)
from marketplace.embedded.stripe_counterpart.contract import Json
from marketplace.embedded.stripe_counterpart.refusals import Refused
from marketplace.embedded.stripe_counterpart.world import DAY, World

_EVENTS_LISTED_FOR = 30 * DAY
_PAGING = "created ending_before limit starting_after"
_LINE_PAGING = "ending_before limit starting_after"


@dataclass(frozen=True)
class Call:
    """One call being played. subject: the id in its path, "" if none; account: the connected account it is made for."""

    world: World
    params: Json
    path: str
    subject: str = ""
    account: str = ""

    def get(self, kind: str) -> Json:
        """Return the object that the path names."""
        return self.world.get(kind, self.subject)

    def list(self, kind: str, wanted: reading.Filter) -> Json:
        """Return a page of a list, of the account that the call is made for."""
        wanted.require("account = ?", self.account)
        return reading.list_page(self.world, kind, self.params, self.path, wanted)


@dataclass(frozen=True)
class Operation:
    """What one method and path does.

    params: the name of its parameters' type in `stripe.params`. resource: the name of what it answers with, or of what
    it lists. played: the parameters that have their effect here.
    """

    method: str
    path: str
    params: str
    resource: str
    played: str
    play: Callable[[Call], Json]
    lists: bool = False

    def subject_in(self, path: str) -> str | None:
        """Return the id in a path that is this operation's, "" if it has none, or None for another's path."""
        pattern = re.escape(self.path).replace(re.escape("{id}"), "([^/]+)")
        match = re.fullmatch(pattern, path)
        return None if match is None else "".join(match.groups())

    def params_type(self) -> type:
        """Return the package's type of the parameters; imported when first needed, for there are many."""
        found: Any = stripe.params
        for part in self.params.split("."):
            found = getattr(found, part)
        assert isinstance(found, type), self.params
        return found

    def refuse_unplayed(self, params: Json) -> None:
        """Refuse a parameter that Stripe documents and this counterpart does not play."""
        for name in sorted(set(params) - {*self.played.split(), "expand"}):
            raise Refused(
                400, f"The local counterpart does not play the parameter {name} here.", param=name, executed=False
            )


def _listing(path: str, params: str, resource: str, filters: str = "", paging: str = _PAGING) -> Operation:
    """Return the operation that lists a resource by fields equal to parameters: `name`, or `name=field`."""
    equal = {name: column or name for name, _, column in (each.partition("=") for each in filters.split())}

    def play(call: Call) -> Json:
        return call.list(resource, reading.equal_to(call.params, equal))

    return Operation("GET", path, params, resource, f"{paging} {' '.join(equal)}", play, lists=True)


def _retrieval(path: str, params: str, resource: str) -> Operation:
    return Operation("GET", path, params, resource, "", lambda call: call.get(resource))


def find_operation(method: str, path: str) -> tuple[Operation, str]:
    """Return what a method and path does, with the id in the path; refuse what is not played."""
    for operation in OPERATIONS:
        subject = operation.subject_in(path)
        if operation.method == method and subject is not None:
            return operation, subject
    raise Refused(404, f"Unrecognized request URL ({method}: {path}).", executed=False)


# ------------------------------------------------------------------ what needs more than one line
def _retrieve_payment_method(call: Call) -> Json:
    return payment_methods.find_payment_method(call.world, call.subject)


def _update_payment_intent(call: Call) -> Json:
    intent = call.get("payment_intent")
    if "amount" in call.params:
        payment_intents.check_amount(call.params["amount"], intent["currency"], "amount")
    if intent["status"] in ("succeeded", "canceled") and set(call.params) - {"metadata", "description", "expand"}:
        message = f"This PaymentIntent could not be updated because it has a status of {intent['status']}."
        raise Refused(400, message, code="payment_intent_unexpected_state")
    names = ("amount", "customer", "description", "receipt_email", "transfer_group")
    return changes.update(call.world, intent, call.params, names, None)


def _list_events(call: Call) -> Json:
    wanted = reading.Filter()
    wanted.require("json_extract(body, '$.created') >= ?", call.world.now() - _EVENTS_LISTED_FOR)
    if "type" in call.params:
        wanted.require("json_extract(body, '$.type') GLOB ?", call.params["type"])
    if types := call.params.get("types"):
        wanted.require(f"json_extract(body, '$.type') IN ({', '.join('?' * len(types))})", *types)
    if "delivery_success" in call.params:
        wanted.require("(json_extract(body, '$.pending_webhooks') = 0) = ?", call.params["delivery_success"])
    return call.list("event", wanted)


def _list_lines(call: Call) -> Json:
    session = call.get("checkout.session")
    wanted = reading.Filter()
    wanted.require("json_extract(body, '$._session') = ?", session["id"])
    return call.list("item", wanted)


def _list_of_customer(call: Call, kind: str) -> Json:
    wanted = reading.Filter()
    wanted.require("json_extract(body, '$.customer') = ?", call.get("customer")["id"])
    return call.list(kind, wanted)


OPERATIONS: tuple[Operation, ...] = (
    # Checkout
    Operation(
        "POST", "/v1/checkout/sessions", "checkout.SessionCreateParams", "checkout.session",
        "allowed_payment_method_types billing_address_collection cancel_url client_reference_id currency customer"
        " customer_creation customer_email excluded_payment_method_types expires_at line_items locale metadata mode"
        " payment_intent_data payment_method_options setup_intent_data submit_type success_url",
        lambda call: checkout.create_session(call.world, call.params),
    ),
    _listing(
        "/v1/checkout/sessions", "checkout.SessionListParams", "checkout.session", "customer payment_intent status"
    ),
    Operation(
        "GET", "/v1/checkout/sessions/{id}", "checkout.SessionRetrieveParams", "checkout.session", "",
        lambda call: checkout.with_url(call.world, call.get("checkout.session")),
    ),
    Operation(
        "POST", "/v1/checkout/sessions/{id}", "checkout.SessionUpdateParams", "checkout.session", "metadata",
        lambda call: checkout.update_session(call.get("checkout.session"), call.params),
    ),
    Operation(
        "POST", "/v1/checkout/sessions/{id}/expire", "checkout.SessionExpireParams", "checkout.session", "",
        lambda call: checkout.expire_session(call.world, call.get("checkout.session")),
    ),
    Operation(
        "GET", "/v1/checkout/sessions/{id}/line_items", "checkout.SessionListLineItemsParams", "item",
        _LINE_PAGING, _list_lines, lists=True,
    ),
    # Payment intents
    Operation(
        "POST", "/v1/payment_intents", "PaymentIntentCreateParams", "payment_intent",
        "allowed_payment_method_types amount automatic_payment_methods capture_method confirm currency customer"
        " description error_on_requires_action excluded_payment_method_types metadata off_session payment_method"
        " payment_method_data payment_method_options receipt_email return_url setup_future_usage statement_descriptor"
        " statement_descriptor_suffix transfer_group",
        lambda call: payment_intents.create_payment_intent(call.world, call.params),
    ),
    _listing("/v1/payment_intents", "PaymentIntentListParams", "payment_intent", "customer"),
    _retrieval("/v1/payment_intents/{id}", "PaymentIntentRetrieveParams", "payment_intent"),
    Operation(
        "POST", "/v1/payment_intents/{id}", "PaymentIntentUpdateParams", "payment_intent",
        "amount customer description metadata receipt_email transfer_group", _update_payment_intent,
    ),
    Operation(
        "POST", "/v1/payment_intents/{id}/confirm", "PaymentIntentConfirmParams", "payment_intent",
        "error_on_requires_action off_session payment_method payment_method_data return_url setup_future_usage",
        lambda call: payment_intents.confirm_by_request(call.world, call.get("payment_intent"), call.params),
    ),
    Operation(
        "POST", "/v1/payment_intents/{id}/capture", "PaymentIntentCaptureParams", "payment_intent",
        "amount_to_capture",
        lambda call: payment_intents.capture(call.world, call.get("payment_intent"), call.params),
    ),
    Operation(
        "POST", "/v1/payment_intents/{id}/cancel", "PaymentIntentCancelParams", "payment_intent",
        "cancellation_reason",
        lambda call: payment_intents.cancel(
            call.world, call.get("payment_intent"), call.params.get("cancellation_reason")
        ),
    ),
    # Charges, refunds, disputes
    _listing("/v1/charges", "ChargeListParams", "charge", "customer payment_intent transfer_group"),
    _retrieval("/v1/charges/{id}", "ChargeRetrieveParams", "charge"),
    Operation(
        "POST", "/v1/refunds", "RefundCreateParams", "refund", "amount charge metadata payment_intent reason",
        lambda call: refunds.create_refund(call.world, call.params),
    ),
    _listing("/v1/refunds", "RefundListParams", "refund", "charge payment_intent"),
    _retrieval("/v1/refunds/{id}", "RefundRetrieveParams", "refund"),
    _listing("/v1/disputes", "DisputeListParams", "dispute", "charge payment_intent"),
    _retrieval("/v1/disputes/{id}", "DisputeRetrieveParams", "dispute"),
    Operation(
        "POST", "/v1/disputes/{id}", "DisputeUpdateParams", "dispute", "evidence metadata submit",
        lambda call: disputes.answer_dispute(call.world, call.get("dispute"), call.params),
    ),
    Operation(
        "POST", "/v1/disputes/{id}/close", "DisputeCloseParams", "dispute", "",
        lambda call: disputes.close_dispute(call.world, call.get("dispute"), won=False),
    ),
    # Balance and payouts
    Operation(
        "GET", "/v1/balance", "BalanceRetrieveParams", "balance", "",
        lambda call: balance.retrieve_balance(call.world, call.account),
    ),
    _listing(
        "/v1/balance_transactions", "BalanceTransactionListParams", "balance_transaction",
        "currency source type payout=_payout",
    ),
    _retrieval("/v1/balance_transactions/{id}", "BalanceTransactionRetrieveParams", "balance_transaction"),
    Operation(
        "POST", "/v1/payouts", "PayoutCreateParams", "payout",
        "amount currency description metadata statement_descriptor",
        lambda call: balance.create_payout(call.world, call.params, call.account),
    ),
    _listing("/v1/payouts", "PayoutListParams", "payout", "status"),
    _retrieval("/v1/payouts/{id}", "PayoutRetrieveParams", "payout"),
    # Customers and payment methods
    Operation(
        "POST", "/v1/customers", "CustomerCreateParams", "customer",
        f"{' '.join(customers.CHANGEABLE)} metadata tax_id_data",
        lambda call: customers.create_customer(call.world, call.params),
    ),
    _listing("/v1/customers", "CustomerListParams", "customer", "email"),
    _retrieval("/v1/customers/{id}", "CustomerRetrieveParams", "customer"),
    Operation(
        "POST", "/v1/customers/{id}", "CustomerUpdateParams", "customer",
        f"{' '.join(customers.CHANGEABLE)} metadata",
        lambda call: changes.update(
            call.world, call.get("customer"), call.params, customers.CHANGEABLE, "customer.updated"
        ),
    ),
    Operation(
        "DELETE", "/v1/customers/{id}", "CustomerDeleteParams", "customer", "",
        lambda call: customers.delete_customer(call.world, call.get("customer")),
    ),
    Operation(
        "POST", "/v1/customers/{id}/tax_ids", "CustomerCreateTaxIdParams", "tax_id", "type value",
        lambda call: customers.add_tax_id(call.world, call.subject, call.params),
    ),
    Operation(
        "GET", "/v1/customers/{id}/tax_ids", "CustomerListTaxIdsParams", "tax_id",
        _LINE_PAGING, lambda call: _list_of_customer(call, "tax_id"), lists=True,
    ),
    Operation(
        "POST", "/v1/payment_methods", "PaymentMethodCreateParams", "payment_method",
        "billing_details card customer_balance metadata sepa_debit type",
        lambda call: payment_methods.create_payment_method(call.world, call.params),
    ),
    _listing("/v1/payment_methods", "PaymentMethodListParams", "payment_method", "customer type", _LINE_PAGING),
    Operation(
        "GET", "/v1/payment_methods/{id}", "PaymentMethodRetrieveParams", "payment_method", "",
        _retrieve_payment_method,
    ),
    Operation(
        "POST", "/v1/payment_methods/{id}/attach", "PaymentMethodAttachParams", "payment_method", "customer",
        lambda call: payment_methods.attach(call.world, _retrieve_payment_method(call), call.params["customer"]),
    ),
    Operation(
        "POST", "/v1/payment_methods/{id}/detach", "PaymentMethodDetachParams", "payment_method", "",
        lambda call: payment_methods.detach(call.world, call.get("payment_method")),
    ),
    # Customers' cash, sent by bank transfer
    Operation(
        "GET", "/v1/customers/{id}/cash_balance", "CustomerCashBalanceRetrieveParams", "cash_balance", "",
        lambda call: cash.retrieve_cash_balance(call.get("customer")),
    ),
    Operation(
        "GET", "/v1/customers/{id}/cash_balance_transactions", "CustomerCashBalanceTransactionListParams",
        "customer_cash_balance_transaction", _LINE_PAGING,
        lambda call: _list_of_customer(call, "customer_cash_balance_transaction"), lists=True,
    ),
    Operation(
        "POST", "/v1/test_helpers/customers/{id}/fund_cash_balance", "test_helpers.CustomerFundCashBalanceParams",
        "customer_cash_balance_transaction", "amount currency reference",
        lambda call: checkout.receive_funds(call.world, call.get("customer"), call.params),
    ),
    # Setup intents
    Operation(
        "POST", "/v1/setup_intents", "SetupIntentCreateParams", "setup_intent",
        "allowed_payment_method_types automatic_payment_methods confirm customer description"
        " excluded_payment_method_types metadata payment_method return_url usage",
        lambda call: setup_intents.create_setup_intent(call.world, call.params),
    ),
    _listing("/v1/setup_intents", "SetupIntentListParams", "setup_intent", "customer payment_method"),
    _retrieval("/v1/setup_intents/{id}", "SetupIntentRetrieveParams", "setup_intent"),
    Operation(
        "POST", "/v1/setup_intents/{id}/confirm", "SetupIntentConfirmParams", "setup_intent",
        "payment_method return_url",
        lambda call: setup_intents.confirm_setup(call.world, call.get("setup_intent"), call.params),
    ),
    Operation(
        "POST", "/v1/setup_intents/{id}/cancel", "SetupIntentCancelParams", "setup_intent", "cancellation_reason",
        lambda call: setup_intents.cancel_setup(
            call.world, call.get("setup_intent"), call.params.get("cancellation_reason")
        ),
    ),
    _retrieval("/v1/mandates/{id}", "MandateRetrieveParams", "mandate"),
    # Connected accounts and transfers
    Operation(
        "POST", "/v1/accounts", "AccountCreateParams", "account",
        "business_type capabilities country email metadata tos_acceptance type",
        lambda call: connect.create_account(call.world, call.params),
    ),
    _listing("/v1/accounts", "AccountListParams", "account"),
    _retrieval("/v1/accounts/{id}", "AccountRetrieveParams", "account"),
    Operation(
        "POST", "/v1/account_links", "AccountLinkCreateParams", "account_link",
        "account refresh_url return_url type",
        lambda call: connect.create_account_link(call.world, call.params),
    ),
    Operation(
        "POST", "/v1/transfers", "TransferCreateParams", "transfer",
        "amount currency description destination metadata transfer_group",
        lambda call: connect.create_transfer(call.world, call.params),
    ),
    _listing("/v1/transfers", "TransferListParams", "transfer", "destination transfer_group"),
    _retrieval("/v1/transfers/{id}", "TransferRetrieveParams", "transfer"),
    Operation(
        "POST", "/v1/transfers/{id}/reversals", "TransferCreateReversalParams", "transfer_reversal",
        "amount metadata",
        lambda call: connect.reverse_transfer(call.world, call.get("transfer"), call.params),
    ),
    # Events and where they go
    Operation(
        "GET", "/v1/events", "EventListParams", "event", f"{_PAGING} delivery_success type types", _list_events,
        lists=True,
    ),
    _retrieval("/v1/events/{id}", "EventRetrieveParams", "event"),
    Operation(
        "POST", "/v1/webhook_endpoints", "WebhookEndpointCreateParams", "webhook_endpoint",
        "api_version description enabled_events metadata url",
        lambda call: endpoints.create_endpoint(call.world, call.params),
    ),
    _listing("/v1/webhook_endpoints", "WebhookEndpointListParams", "webhook_endpoint", "", _LINE_PAGING),
    _retrieval("/v1/webhook_endpoints/{id}", "WebhookEndpointRetrieveParams", "webhook_endpoint"),
    Operation(
        "POST", "/v1/webhook_endpoints/{id}", "WebhookEndpointUpdateParams", "webhook_endpoint",
        "description disabled enabled_events metadata url",
        lambda call: endpoints.update_endpoint(call.get("webhook_endpoint"), call.params),
    ),
    Operation(
        "DELETE", "/v1/webhook_endpoints/{id}", "WebhookEndpointDeleteParams", "webhook_endpoint", "",
        lambda call: endpoints.delete_endpoint(call.world, call.get("webhook_endpoint")),
    ),
)  # fmt: skip
