"""Idempotency keys as Stripe keeps them, and a network that loses requests and answers."""

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from tests.demo.counterpart_harness import HttpResponse, Running

PAYMENT = {
    "amount": "5000",
    "currency": "eur",
    "payment_method": "pm_card_visa",
    "confirm": "true",
    "return_url": "http://shop.test/",
}
PATH = "/v1/payment_intents"


def create_payment(running: Running, key: str, **more: str) -> HttpResponse:
    return running.raw("POST", PATH, {**PAYMENT, **more}, idempotency_key=key)


def intents(running: Running) -> int:
    return len(running.client.payment_intents.list({"limit": 100}).data)


def test_the_same_key_replays_the_first_answer(fresh_counterpart: Running) -> None:
    first, again = create_payment(fresh_counterpart, "k1"), create_payment(fresh_counterpart, "k1")
    assert (first.status, again.status) == (200, 200)
    assert again.text == first.text
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"]
    assert intents(fresh_counterpart) == 1


def test_parameters_in_another_order_are_the_same_parameters(fresh_counterpart: Running) -> None:
    first = create_payment(fresh_counterpart, "k1")
    again = fresh_counterpart.raw("POST", PATH, dict(reversed(PAYMENT.items())), idempotency_key="k1")
    assert again.text == first.text


def test_the_same_key_with_other_parameters_is_refused(fresh_counterpart: Running) -> None:
    create_payment(fresh_counterpart, "k1")
    other = create_payment(fresh_counterpart, "k1", amount="5001")
    assert (other.status, other.json()["error"]["type"]) == (400, "idempotency_error")
    elsewhere = fresh_counterpart.raw("POST", "/v1/customers", {}, idempotency_key="k1")
    assert elsewhere.json()["error"]["type"] == "idempotency_error"
    with pytest.raises(stripe.IdempotencyError):
        fresh_counterpart.client.payment_intents.create({"amount": 900, "currency": "eur"}, {"idempotency_key": "k1"})
    assert intents(fresh_counterpart) == 1


def test_a_key_without_an_answer_is_new(fresh_counterpart: Running) -> None:
    unread = create_payment(fresh_counterpart, "k1", amount="many")
    assert unread.status == 400
    assert create_payment(fresh_counterpart, "k1").status == 200, "a request that never began to execute saves nothing"


def test_a_request_whose_sender_is_gone_before_its_end_asks_for_nothing(fresh_counterpart: Running) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk_test_local\r\nidempotency-key: k1\r\ncontent-length: 99\r\n\r\n"
    port = int(fresh_counterpart.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as cut:
        cut.sendall(f"{head}amount=5000&currency=eur".encode())
    assert create_payment(fresh_counterpart, "k1").status == 200, "else the key would have been used for half of it"
    assert intents(fresh_counterpart) == 1


def test_declines_and_refusals_are_saved(fresh_counterpart: Running) -> None:
    declined = create_payment(fresh_counterpart, "k1", payment_method="pm_card_chargeDeclined")
    again = create_payment(fresh_counterpart, "k1", payment_method="pm_card_chargeDeclined")
    assert (declined.status, again.status, again.text) == (402, 402, declined.text)
    refused = fresh_counterpart.raw("POST", "/v1/refunds", {"charge": "ch_none"}, idempotency_key="k2")
    again = fresh_counterpart.raw("POST", "/v1/refunds", {"charge": "ch_none"}, idempotency_key="k2")
    assert (refused.status, again.headers["idempotent-replayed"]) == (404, "true")
    assert intents(fresh_counterpart) == 1


def test_keys_are_pruned_after_a_day(fresh_counterpart: Running) -> None:
    create_payment(fresh_counterpart, "k1")
    fresh_counterpart.control("clock", seconds=86_390)
    create_payment(fresh_counterpart, "k1")
    assert intents(fresh_counterpart) == 1
    fresh_counterpart.control("clock", seconds=10)
    create_payment(fresh_counterpart, "k1")
    assert intents(fresh_counterpart) == 2
    fresh_counterpart.control("forget_keys")
    create_payment(fresh_counterpart, "k1")
    assert intents(fresh_counterpart) == 3


def test_keys_of_accounts_are_apart(fresh_counterpart: Running) -> None:
    account = fresh_counterpart.client.accounts.create({"type": "express"}).id
    first = fresh_counterpart.raw("POST", "/v1/customers", {}, idempotency_key="k1")
    second = fresh_counterpart.raw("POST", "/v1/customers", {}, idempotency_key="k1", stripe_account=account)
    assert first.json()["id"] != second.json()["id"]
    assert fresh_counterpart.raw("GET", "/v1/balance", stripe_account="acct_none").status == 403


def test_a_key_in_use_is_refused(fresh_counterpart: Running) -> None:
    fresh_counterpart.control("fault", kind="delay", seconds=0.4)
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: create_payment(fresh_counterpart, "k1"), range(3)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409]
    refused = next(answer for answer in answers if answer.status == 409)
    assert refused.json()["error"]["code"] == "idempotency_key_in_use"
    assert create_payment(fresh_counterpart, "k1").headers["idempotent-replayed"] == "true"
    assert intents(fresh_counterpart) == 1


@pytest.mark.parametrize(("executed", "made"), [(True, 1), (False, 0)])
def test_a_saved_500_is_replayed(fresh_counterpart: Running, executed: bool, made: int) -> None:  # noqa: FBT001
    fresh_counterpart.control("fault", kind="saved500", executed=executed, path=PATH)
    first, again = create_payment(fresh_counterpart, "k1"), create_payment(fresh_counterpart, "k1")
    assert (first.status, again.status) == (500, 500)
    assert again.headers["idempotent-replayed"] == "true"
    assert intents(fresh_counterpart) == made
    assert create_payment(fresh_counterpart, "k2").status == 200


@pytest.mark.parametrize(("kind", "made"), [("drop_before", 0), ("drop_after", 1)])
def test_a_lost_message_is_a_connection_error(fresh_counterpart: Running, kind: str, made: int) -> None:
    fresh_counterpart.control("fault", kind=kind, path=PATH, method="POST")
    asked: Any = {"amount": 5000, "currency": "eur"}
    with pytest.raises(stripe.APIConnectionError):
        fresh_counterpart.client.payment_intents.create(asked, {"idempotency_key": "k1"})
    assert intents(fresh_counterpart) == made
    fresh_counterpart.client.payment_intents.create(asked, {"idempotency_key": "k1"})
    assert intents(fresh_counterpart) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [(409, stripe.APIError), (429, stripe.RateLimitError), (500, stripe.APIError), (503, stripe.APIError)],
)
def test_a_planned_status_is_answered_as_often_as_asked(
    fresh_counterpart: Running, status: int, error: type[Exception]
) -> None:
    fresh_counterpart.control("fault", kind="status", status=status, path=PATH, times=2)
    for _ in range(2):
        with pytest.raises(error):
            fresh_counterpart.client.payment_intents.create({"amount": 5000, "currency": "eur"})
    assert intents(fresh_counterpart) == 0
    fresh_counterpart.client.payment_intents.create({"amount": 5000, "currency": "eur"})


def test_the_control_plane_refuses_what_it_does_not_know(fresh_counterpart: Running) -> None:
    assert fresh_counterpart.raw("POST", "/_test/nothing").status == 404
    assert fresh_counterpart.raw("GET", "/_test/reset").status == 404
