"""Every shape is the installed package's: what may be sent, and what is answered."""

from typing import Any

import pytest
import stripe

from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.parameters import read_params
from marketplace.demo.stripe_counterpart.responses import ContractError, blank, list_differences, resource_named
from marketplace.demo.stripe_counterpart.routes import OPERATIONS
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json, parameters_of
from tests.demo.counterpart_harness import SUCCESS_URL, Running

IBAN = "DE89370400440532013000"
LINE = {
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "12000",
    "line_items[0][price_data][product_data][name]": "Licence",
}
SESSION = {"mode": "payment", "success_url": SUCCESS_URL, **LINE}
CARD_PAYMENT = {
    "amount": "9000",
    "currency": "eur",
    "payment_method": "pm_card_visa",
    "confirm": "true",
    "return_url": "http://shop.test/",
}


class Tour:
    """A walk through every operation by raw HTTP; each answer is checked here too."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.visited: set[tuple[str, str]] = set()

    def call(self, method: str, path: str, subject: str = "", **form: str) -> Json:
        sent = form if method == "POST" else None
        answer = self.running.raw(method, path.replace("{id}", subject), sent)
        assert answer.status == 200, f"{method} {path}: {answer.text}"
        operation = next(each for each in OPERATIONS if (each.method, each.path) == (method, path))
        body: Json = answer.json()
        found: list[Json] = body["data"] if operation.lists else [body]
        assert found, f"{path} lists nothing, so its shape was not seen"
        for each in found:
            assert list_differences(resource_named(operation.resource), each) == [], path
        self.visited.add((method, path))
        return body

    def control(self, action: str, resource: str, **asked: Any) -> Json:
        body: Json = self.running.control(action, **asked)
        assert list_differences(resource_named(resource), body) == [], action
        return body


def test_every_operation_answers_in_the_documented_shape(fresh_counterpart: Running) -> None:
    tour = Tour(fresh_counterpart)
    _walk_customers(tour)
    _walk_checkout(tour)
    intent = _walk_payments(tour)
    _walk_refunds_and_disputes(tour, intent)
    _walk_payouts_and_transfers(tour)
    _walk_events(tour)
    assert {(each.method, each.path) for each in OPERATIONS} - tour.visited == set()


def _walk_customers(tour: Tour) -> None:
    customer = tour.call("POST", "/v1/customers", email="a@example.test", **{"address[country]": "FR"})["id"]
    tour.call("POST", "/v1/customers/{id}", customer, name="Ada", **{"metadata[a]": "b"})
    tour.call("POST", "/v1/customers/{id}/tax_ids", customer, type="eu_vat", value="FR40303265045")
    tour.call("GET", "/v1/customers/{id}/tax_ids", customer)
    tour.call("GET", "/v1/customers/{id}", customer)
    tour.call("GET", "/v1/customers")
    debit = {"type": "sepa_debit", "sepa_debit[iban]": IBAN}
    owner = {"billing_details[name]": "Ada", "billing_details[email]": "a@example.test"}
    method = tour.call("POST", "/v1/payment_methods", **debit, **owner)["id"]
    setup = tour.call("POST", "/v1/setup_intents", customer=customer)["id"]
    mandate = tour.call("POST", "/v1/setup_intents/{id}/confirm", setup, payment_method=method)["mandate"]
    tour.call("GET", "/v1/setup_intents/{id}", setup)
    tour.call("GET", "/v1/setup_intents")
    tour.call("GET", "/v1/mandates/{id}", mandate)
    other = tour.call("POST", "/v1/setup_intents", customer=customer)["id"]
    tour.call("POST", "/v1/setup_intents/{id}/cancel", other, cancellation_reason="abandoned")
    tour.call("GET", "/v1/payment_methods")
    card = tour.call("GET", "/v1/payment_methods/{id}", "pm_card_visa")["id"]
    tour.call("POST", "/v1/payment_methods/{id}/attach", card, customer=customer)
    tour.call("POST", "/v1/payment_methods/{id}/detach", card)
    tour.call("GET", "/v1/customers/{id}/cash_balance", customer)
    transfer = {"amount": "5000", "currency": "eur", "reference": "INVOICE 7"}
    tour.call("POST", "/v1/test_helpers/customers/{id}/fund_cash_balance", customer, **transfer)
    tour.call("GET", "/v1/customers/{id}/cash_balance_transactions", customer)
    tour.call("DELETE", "/v1/customers/{id}", customer)


def _walk_checkout(tour: Tour) -> None:
    session = tour.call("POST", "/v1/checkout/sessions", client_reference_id="order-1", locale="fr", **SESSION)["id"]
    tour.call("POST", "/v1/checkout/sessions/{id}", session, **{"metadata[order]": "1"})
    tour.call("GET", "/v1/checkout/sessions/{id}/line_items", session)
    tour.call("GET", "/v1/checkout/sessions/{id}", session)
    tour.control("pay", "checkout.session", session=session, token="tok_visa")
    tour.call("GET", "/v1/checkout/sessions")
    other = tour.call("POST", "/v1/checkout/sessions", **SESSION)["id"]
    tour.call("POST", "/v1/checkout/sessions/{id}/expire", other)


def _walk_payments(tour: Tour) -> str:
    intent: str = tour.call("POST", "/v1/payment_intents", amount="5000", currency="eur")["id"]
    tour.call("POST", "/v1/payment_intents/{id}", intent, description="A licence")
    tour.call(
        "POST", "/v1/payment_intents/{id}/confirm", intent, payment_method="pm_card_visa", return_url="http://x.test/"
    )
    tour.call("GET", "/v1/payment_intents/{id}", intent)
    deposit = tour.call("POST", "/v1/payment_intents", capture_method="manual", **CARD_PAYMENT)["id"]
    tour.call("POST", "/v1/payment_intents/{id}/capture", deposit, amount_to_capture="4000")
    other = tour.call("POST", "/v1/payment_intents", capture_method="manual", **CARD_PAYMENT)["id"]
    tour.call("POST", "/v1/payment_intents/{id}/cancel", other, cancellation_reason="abandoned")
    asks = {**CARD_PAYMENT, "payment_method": "pm_card_authenticationRequired", "return_url": "http://shop.test/"}
    waiting = tour.call("POST", "/v1/payment_intents", **asks)["id"]
    tour.control("authenticate", "payment_intent", payment_intent=waiting, agreed=True)
    tour.call("GET", "/v1/payment_intents")
    charge = tour.call("GET", "/v1/charges")["data"][0]["id"]
    tour.call("GET", "/v1/charges/{id}", charge)
    return intent


def _walk_refunds_and_disputes(tour: Tour, intent: str) -> None:
    refund = tour.call("POST", "/v1/refunds", payment_intent=intent, amount="100", reason="duplicate")["id"]
    tour.call("GET", "/v1/refunds/{id}", refund)
    tour.call("GET", "/v1/refunds")
    tour.control("fail_refund", "refund", refund=refund)
    for verdict in ("winning_evidence", "losing_evidence"):
        disputed = tour.call("POST", "/v1/payment_intents", **CARD_PAYMENT)["id"]
        dispute = tour.control("dispute", "dispute", payment_intent=disputed)["id"]
        tour.call("POST", "/v1/disputes/{id}", dispute, **{"evidence[uncategorized_text]": verdict})
    last = tour.call("POST", "/v1/payment_intents", **{**CARD_PAYMENT, "payment_method": "pm_card_createDispute"})["id"]
    dispute = tour.call("GET", "/v1/disputes")["data"][0]["id"]
    assert tour.call("GET", "/v1/disputes/{id}", dispute)["payment_intent"] == last
    tour.call("POST", "/v1/disputes/{id}/close", dispute)


def _walk_payouts_and_transfers(tour: Tour) -> None:
    tour.running.control("clock", days=8)
    tour.control("fee", "balance_transaction", amount=200, description="Connect")
    account = tour.call("POST", "/v1/accounts", type="express", **{"capabilities[transfers][requested]": "true"})["id"]
    tour.call("GET", "/v1/accounts/{id}", account)
    tour.call("GET", "/v1/accounts", limit="1")
    gone = tour.call("POST", "/v1/accounts", type="express", **{"capabilities[transfers][requested]": "true"})["id"]
    tour.call("DELETE", "/v1/accounts/{id}", gone)
    urls = {"refresh_url": "http://shop.test/", "return_url": "http://shop.test/"}
    tour.call("POST", "/v1/account_links", account=account, type="account_onboarding", **urls)
    tour.control("onboard", "account", account=account)
    transfer = tour.call("POST", "/v1/transfers", amount="500", currency="eur", destination=account)["id"]
    tour.call("POST", "/v1/transfers/{id}/reversals", transfer, amount="200")
    tour.call("GET", "/v1/transfers/{id}", transfer)
    tour.call("GET", "/v1/transfers")
    tour.call("POST", "/v1/payouts", amount="100", currency="eur")
    payout = tour.control("payout", "payout")["id"]
    tour.call("GET", "/v1/payouts/{id}", payout)
    tour.control("fail_payout", "payout", payout=payout)
    tour.call("GET", "/v1/payouts")
    tour.call("GET", "/v1/balance")
    movement = tour.call("GET", "/v1/balance_transactions")["data"][0]["id"]
    tour.call("GET", "/v1/balance_transactions/{id}", movement)


def _walk_events(tour: Tour) -> None:
    address = {"url": "http://127.0.0.1:9/", "enabled_events[0]": "charge.refunded"}
    tour.call("GET", "/v1/account")
    tour.call("GET", "/v1/balance_settings")
    tour.control("our_account", "account", charges_enabled=False)
    created = tour.call("POST", "/v1/webhook_endpoints", **address)
    assert created["secret"].startswith("whsec_")
    endpoint = created["id"]
    assert "secret" not in tour.call("GET", "/v1/webhook_endpoints/{id}", endpoint)
    tour.call("POST", "/v1/webhook_endpoints/{id}", endpoint, disabled="true")
    tour.call("GET", "/v1/webhook_endpoints")
    tour.call("DELETE", "/v1/webhook_endpoints/{id}", endpoint)
    events = tour.call("GET", "/v1/events")["data"]
    tour.call("GET", "/v1/events/{id}", events[0]["id"])


# ------------------------------------------------------------------ the check itself
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"amount": "12"}, "amount: expected int, got '12'"),
        ({"amount": True}, "amount: expected int, got True"),
        ({"surprise": 1}, "surprise: not documented in Refund"),
        ({"reason": "because"}, "reason: 'because' is not one of"),
        ({"metadata": {"a": 1}}, "metadata.a: expected str, got 1"),
        ({"charge": {"id": "ch_1"}}, "charge.amount: missing"),
    ],
)
def test_a_response_that_differs_is_named_place_by_place(change: Json, expected: str) -> None:
    sound = {**blank(stripe.Refund), "object": "refund"}
    assert list_differences(stripe.Refund, sound) == []
    assert expected in "; ".join(list_differences(stripe.Refund, {**sound, **change}))


def test_a_missing_field_is_named() -> None:
    short = blank(stripe.Refund)
    del short["currency"]
    assert list_differences(stripe.Refund, short) == ["currency: missing"]


def test_an_event_that_stripe_never_sends_is_a_fault_of_ours() -> None:
    state = StripeState(None)
    with state.transaction():
        refund = state.add("refund", amount=1, currency="eur", status="succeeded")
        with pytest.raises(ContractError, match=r"'refund\.imagined' is not one of"):
            emit(state, "refund.imagined", refund)
    state.close()


def test_played_parameters_are_documented() -> None:
    for operation in OPERATIONS:
        assert set(operation.supported.split()) <= set(parameters_of(operation.params_type())), operation.path


def test_types_are_read_from_text() -> None:
    sent = {
        "amount": "500",
        "currency": "eur",
        "confirm": "true",
        "metadata": {"order": "7"},
        "expand": {"0": "customer"},
    }
    assert read_params(stripe.params.PaymentIntentCreateParams, sent) == {
        "amount": 500,
        "currency": "eur",
        "confirm": True,
        "metadata": {"order": "7"},
        "expand": ["customer"],
    }


# ------------------------------------------------------------------ what may be sent
REFUSED = [
    ("/v1/payment_intents", {"currency": "eur"}, "parameter_missing", "amount"),
    ("/v1/payment_intents", {"amount": "x", "currency": "eur"}, "parameter_invalid_integer", "amount"),
    ("/v1/payment_intents", {"amount": "1e3", "currency": "eur"}, "parameter_invalid_integer", "amount"),
    ("/v1/payment_intents", {"amount": "49", "currency": "eur"}, "amount_too_small", "amount"),
    ("/v1/payment_intents", {"amount": "-500", "currency": "eur"}, "amount_too_small", "amount"),
    ("/v1/payment_intents", {"amount": "100000000", "currency": "eur"}, "amount_too_large", "amount"),
    ("/v1/payment_intents", {**CARD_PAYMENT, "customer": "cus_none"}, "resource_missing", "customer"),
    ("/v1/payment_intents", {**CARD_PAYMENT, "payment_method": "pm_none"}, "resource_missing", "payment_method"),
    ("/v1/payment_intents", {**CARD_PAYMENT, "amout": "1"}, "parameter_unknown", "amout"),
    ("/v1/payment_intents", {**CARD_PAYMENT, "on_behalf_of": "acct_1"}, None, "on_behalf_of"),
    ("/v1/payment_intents", {**CARD_PAYMENT, "confirm": "yes"}, None, "confirm"),
    ("/v1/payment_intents", {**CARD_PAYMENT, "metadata[a]": "x" * 501}, None, "metadata"),
    ("/v1/payment_intents", {**CARD_PAYMENT, "metadata": "x", "metadata[a]": "x"}, None, "metadata[a]"),
    ("/v1/refunds", {"payment_intent": "pi_1", "reason": "because"}, None, "reason"),
    ("/v1/refunds", {}, "parameter_missing", "payment_intent"),
    ("/v1/checkout/sessions", {**SESSION, "mode": "gift"}, None, "mode"),
    (
        "/v1/checkout/sessions",
        {**SESSION, "payment_method_types[0]": "card"},
        "payment_method_types_no_longer_supported",
        "payment_method_types",
    ),
    (
        "/v1/checkout/sessions",
        {**SESSION, "line_items[0][colour]": "red"},
        "parameter_unknown",
        "line_items[0][colour]",
    ),
    ("/v1/checkout/sessions", {**SESSION, "expires_at": "1000000000"}, None, "expires_at"),
    ("/v1/checkout/sessions", LINE, "parameter_missing", "success_url"),
    ("/v1/checkout/sessions", {"success_url": "http://shop.test/"}, "parameter_missing", "line_items"),
    ("/v1/webhook_endpoints", {"url": "nowhere", "enabled_events[0]": "*"}, "url_invalid", "url"),
    ("/v1/webhook_endpoints", {"url": "http://a.test/", "enabled_events[0]": "no.such"}, None, "enabled_events[0]"),
]


@pytest.mark.parametrize(("path", "form", "code", "param"), REFUSED)
def test_what_stripe_refuses_is_refused_by_name(
    fresh_counterpart: Running, path: str, form: dict[str, str], code: str | None, param: str
) -> None:
    answer = fresh_counterpart.raw("POST", path, form)
    assert answer.status in (400, 404), answer.text
    error = answer.json()["error"]
    assert (error.get("code"), error.get("param")) == (code, param)
    assert fresh_counterpart.raw("GET", "/v1/events").json()["data"] == [], "a refusal left something behind"


def test_unknown_addresses_and_callers_are_refused(fresh_counterpart: Running) -> None:
    assert fresh_counterpart.raw("GET", "/v1/nothing").status == 404
    assert fresh_counterpart.raw("DELETE", "/v1/payment_intents").status == 404
    assert fresh_counterpart.raw("GET", "/v1/charges/ch_none").status == 404
    assert fresh_counterpart.raw("GET", "/v1/balance", authorization="").status == 401
    assert fresh_counterpart.raw("GET", "/v1/balance", authorization="Bearer pk_test_x").status == 401
    live = fresh_counterpart.raw("GET", "/v1/balance", authorization="Bearer sk_live_x")
    assert live.status == 401
    assert "live key" in live.text
    assert fresh_counterpart.raw("GET", "/v1/balance", stripe_version="2020-08-27").status == 400
    assert fresh_counterpart.raw("POST", "/v1/refunds", {"metadata[a]": "x" * 1_000_001}).status == 413


def test_ids_expand_into_objects(fresh_counterpart: Running) -> None:
    intent = fresh_counterpart.charge()
    path = "latest_charge.balance_transaction"
    found: Any = fresh_counterpart.client.payment_intents.retrieve(intent.id, {"expand": [path]})
    assert found.latest_charge.balance_transaction.amount == 12_000
    listed: Any = fresh_counterpart.client.payment_intents.list({"expand": [f"data.{path}"]}).data
    assert listed[0].latest_charge.balance_transaction.amount == 12_000
    for wrong in ("nothing", "latest_charge.nothing", "amount"):
        with pytest.raises(stripe.InvalidRequestError):
            fresh_counterpart.client.payment_intents.retrieve(intent.id, {"expand": [wrong]})


def test_lists_are_read_page_by_page_both_ways(fresh_counterpart: Running) -> None:
    made = [fresh_counterpart.client.customers.create({"email": f"{n}@example.test"}).id for n in range(7)]
    newest_first = made[::-1]
    page = fresh_counterpart.client.customers.list({"limit": 3})
    assert ([each.id for each in page.data], page.has_more) == (newest_first[:3], True)
    assert [each.id for each in page.auto_paging_iter()] == newest_first
    after = fresh_counterpart.client.customers.list({"limit": 4, "starting_after": newest_first[2]})
    assert ([each.id for each in after.data], after.has_more) == (newest_first[3:], False)
    before = fresh_counterpart.client.customers.list({"limit": 2, "ending_before": newest_first[4]})
    assert ([each.id for each in before.data], before.has_more) == (newest_first[2:4], True)
    assert fresh_counterpart.client.customers.list({"email": "5@example.test"}).data[0].id == made[5]
    with pytest.raises(stripe.InvalidRequestError, match="limit"):
        fresh_counterpart.client.customers.list({"limit": 101})
