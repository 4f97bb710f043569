"""Bank transfers: money arrives days later, in part or too much, with its reference or without."""

from typing import Any

import pytest
import stripe

from tests.demo.counterpart_harness import WITHOUT_REDIRECTS, Running, send

OPTIONS: Any = {
    "customer_balance": {
        "funding_type": "bank_transfer",
        "bank_transfer": {"type": "eu_bank_transfer", "eu_bank_transfer": {"country": "FR"}},
    }
}


def owe(running: Running, customer: str, amount: int) -> Any:
    """Make an intent that waits for a transfer."""
    asked: Any = {
        "amount": amount,
        "currency": "eur",
        "customer": customer,
        "allowed_payment_method_types": ["customer_balance"],
        "payment_method_data": {"type": "customer_balance"},
        "payment_method_options": OPTIONS,
        "confirm": True,
        **WITHOUT_REDIRECTS,
    }
    intent: Any = running.client.payment_intents.create(asked)
    assert intent.status == "requires_action"
    return intent


def send_cash(running: Running, customer: str, amount: int, reference: str | None = None) -> None:
    form = {"amount": str(amount), "currency": "eur", **({"reference": reference} if reference else {})}
    answer = running.raw("POST", f"/v1/test_helpers/customers/{customer}/fund_cash_balance", form)
    assert answer.status == 200, answer.text


def states_of_intents(running: Running, *intents: Any) -> list[str]:
    return [running.client.payment_intents.retrieve(intent.id).status for intent in intents]


def cash(running: Running, customer: str) -> int:
    available = running.client.customers.cash_balance.retrieve(customer).available
    return available["eur"] if available else 0


@pytest.fixture
def partner(fresh_counterpart: Running) -> str:
    return fresh_counterpart.client.customers.create({"name": "Partner", "email": "partner@example.test"}).id


def test_a_transfer_pays_what_waits_for_it(fresh_counterpart: Running, partner: str) -> None:
    intent = owe(fresh_counterpart, partner, 2_000_000)
    instructions = intent.next_action.display_bank_transfer_instructions
    iban = instructions.financial_addresses[0].iban.iban
    assert int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1
    send_cash(fresh_counterpart, partner, 2_000_000, instructions.reference)
    assert states_of_intents(fresh_counterpart, intent) == ["succeeded"]
    movement = fresh_counterpart.all_movements()[0]
    assert (movement.type, movement.reporting_category, movement.fee) == ("payment", "charge", 500)
    assert cash(fresh_counterpart, partner) == 0


def test_a_part_waits_for_the_rest(fresh_counterpart: Running, partner: str) -> None:
    intent = owe(fresh_counterpart, partner, 100_000)
    send_cash(fresh_counterpart, partner, 40_000)
    waiting: Any = fresh_counterpart.client.payment_intents.retrieve(intent.id)
    assert waiting.next_action.display_bank_transfer_instructions.amount_remaining == 60_000
    assert fresh_counterpart.all_movements() == []
    send_cash(fresh_counterpart, partner, 60_001)
    assert states_of_intents(fresh_counterpart, intent) == ["succeeded"]
    assert cash(fresh_counterpart, partner) == 1, "what is too much stays the customer's"
    types = [each.type for each in fresh_counterpart.client.events.list({"limit": 100}).data]
    assert types.count("payment_intent.partially_funded") == 1


def test_the_reference_decides_else_the_oldest_is_paid(fresh_counterpart: Running, partner: str) -> None:
    older, newer = owe(fresh_counterpart, partner, 1000), owe(fresh_counterpart, partner, 1000)
    send_cash(fresh_counterpart, partner, 1000, newer.next_action.display_bank_transfer_instructions.reference)
    assert states_of_intents(fresh_counterpart, older, newer) == ["requires_action", "succeeded"]
    send_cash(fresh_counterpart, partner, 1000, "nonsense")
    assert states_of_intents(fresh_counterpart, older) == ["succeeded"]


def test_cash_left_over_pays_the_next(fresh_counterpart: Running, partner: str) -> None:
    send_cash(fresh_counterpart, partner, 5000)
    asked: Any = {
        "amount": 3000,
        "currency": "eur",
        "customer": partner,
        "allowed_payment_method_types": ["customer_balance"],
        "payment_method_data": {"type": "customer_balance"},
        "confirm": True,
        **WITHOUT_REDIRECTS,
    }
    assert fresh_counterpart.client.payment_intents.create(asked).status == "succeeded"
    assert cash(fresh_counterpart, partner) == 2000


def test_a_session_is_paid_once_the_transfer_has_arrived(fresh_counterpart: Running, partner: str) -> None:
    session = fresh_counterpart.open_session(
        2_000_000,
        customer=partner,
        locale="fr",
        allowed_payment_method_types=["customer_balance"],
        payment_method_options=OPTIONS,
    )
    page = f"{fresh_counterpart.url}/c/pay/{session.id}"
    address = fresh_counterpart.submit(page, method="transfer").headers["location"]
    assert address.startswith("/c/transfer/pi_")
    shown = send("GET", fresh_counterpart.url + address)
    assert "IBAN" in shown.text
    assert "20\u202f000,00" in shown.text
    assert send("GET", page).headers["location"] == address
    after = fresh_counterpart.client.checkout.sessions.retrieve(session.id)
    assert (after.status, after.payment_status) == ("complete", "unpaid")
    send_cash(fresh_counterpart, partner, 2_000_000)
    after = fresh_counterpart.client.checkout.sessions.retrieve(session.id)
    assert after.payment_status == "paid"
    assert fresh_counterpart.client.events.list().data[0].type == "checkout.session.async_payment_succeeded"
    assert "Déjà payé" in send("GET", page).text
    assert fresh_counterpart.submit(page, method="transfer").headers["location"].startswith("http://shop.test/thanks")
    assert len(fresh_counterpart.client.charges.list().data) == 1


def test_a_transfer_needs_a_customer(fresh_counterpart: Running) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="customer"):
        fresh_counterpart.open_session(allowed_payment_method_types=["customer_balance"])
