"""Events reach every endpoint that asked, signed, at least once and in no promised order; lost ones can be swept."""

import json
import socket
import time

import pytest
import stripe

from tests.demo.counterpart_harness import Receiver, Running
from tests.support.waiting import wait_until

PAID = ["charge.succeeded", "payment_intent.created", "payment_intent.succeeded"]


def add_endpoint(running: Running, receiver: Receiver, *types: str) -> stripe.WebhookEndpoint:
    asked = {"url": receiver.url, "enabled_events": list(types) or ["*"]}
    return running.client.webhook_endpoints.create(asked)  # type: ignore[arg-type]


def swept(running: Running) -> list[str]:
    return [each.id for each in running.client.events.list({"limit": 100}).auto_paging_iter()]


def test_every_event_is_delivered_and_signed(fresh_counterpart: Running, receiver: Receiver) -> None:
    endpoint = add_endpoint(fresh_counterpart, receiver)
    intent = fresh_counterpart.charge()
    receiver.wait_for(3)
    assert sorted(receiver.types()) == PAID
    for body, signature in receiver.received:
        event = stripe.Webhook.construct_event(body, signature, endpoint.secret)
        assert event.api_version == stripe.api_version
        assert abs(int(signature.split(",")[0].removeprefix("t=")) - time.time()) < 5
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", signature, endpoint.secret)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_other")
    event = next(json.loads(body) for body, _ in receiver.received if b"payment_intent.succeeded" in body)
    assert event["data"]["object"]["id"] == intent.id
    assert event["request"]["id"].startswith("req_")
    wait_until(lambda: fresh_counterpart.client.events.retrieve(event["id"]).pending_webhooks == 0)


def test_an_endpoint_gets_only_what_it_asked_for(fresh_counterpart: Running, receiver: Receiver) -> None:
    add_endpoint(fresh_counterpart, receiver, "charge.refunded")
    intent = fresh_counterpart.charge()
    fresh_counterpart.client.refunds.create({"payment_intent": intent.id})
    receiver.wait_for(1)
    wait_until(lambda: all(each["outcome"] for each in fresh_counterpart.control("log")["deliveries"]))
    assert receiver.types() == ["charge.refunded"]


@pytest.mark.long
def test_a_refused_event_is_sent_again_with_a_fresh_signature(fresh_counterpart: Running, receiver: Receiver) -> None:
    add_endpoint(fresh_counterpart, receiver, "payment_intent.succeeded")
    receiver.answers = [500, 404, 302]
    fresh_counterpart.charge()
    receiver.wait_for(4)
    assert len(set(receiver.ids())) == 1
    assert len({body for body, _ in receiver.received}) == 1
    delivery = fresh_counterpart.control("log")["deliveries"][0]
    wait_until(lambda: fresh_counterpart.control("log")["deliveries"][0]["outcome"] == "delivered")
    assert delivery["attempts"] >= 3


def test_an_endpoint_that_is_down_is_tried_again(fresh_counterpart: Running, receiver: Receiver) -> None:
    endpoint = fresh_counterpart.client.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/", "enabled_events": ["*"]}
    )
    fresh_counterpart.charge()
    wait_until(lambda: all(each["attempts"] > 1 for each in fresh_counterpart.control("log")["deliveries"]))
    assert {each["result"] for each in fresh_counterpart.control("log")["deliveries"]} == {"ConnectionRefusedError"}
    fresh_counterpart.client.webhook_endpoints.update(endpoint.id, {"url": receiver.url})
    fresh_counterpart.control("deliver")
    receiver.wait_for(3)
    assert sorted(receiver.types()) == PAID


def test_duplicates_and_shuffles(fresh_counterpart: Running, receiver: Receiver) -> None:
    add_endpoint(fresh_counterpart, receiver)
    fresh_counterpart.control("fault", kind="webhooks", pause=True)
    for _ in range(5):
        fresh_counterpart.charge()
    fresh_counterpart.control("fault", kind="webhooks", duplicate=True, shuffle=True)
    receiver.wait_for(30)
    made = swept(fresh_counterpart)[::-1]
    assert sorted(receiver.ids()) == sorted(made * 2)
    places = [made.index(each) for each in dict.fromkeys(receiver.ids())]
    moved = sum(abs(place - arrived) for arrived, place in enumerate(places))
    assert moved > 40, "they arrived nearly in the order in which they happened"


def test_held_events_leave_when_the_hold_ends(fresh_counterpart: Running, receiver: Receiver) -> None:
    add_endpoint(fresh_counterpart, receiver)
    fresh_counterpart.control("fault", kind="webhooks", pause=True)
    fresh_counterpart.charge()
    assert len(swept(fresh_counterpart)) == 3, "the list of events knows what no webhook brought"
    assert [each["attempts"] for each in fresh_counterpart.control("log")["deliveries"]] == [0, 0, 0]
    assert receiver.received == []
    fresh_counterpart.control("nofault")
    receiver.wait_for(3)


def test_lost_events_can_only_be_swept_or_asked_for_again(fresh_counterpart: Running, receiver: Receiver) -> None:
    add_endpoint(fresh_counterpart, receiver)
    fresh_counterpart.control("fault", kind="webhooks", lose=True)
    fresh_counterpart.charge()
    wait_until(lambda: [each["outcome"] for each in fresh_counterpart.control("log")["deliveries"]] == ["lost"] * 3)
    fresh_counterpart.control("nofault")
    assert receiver.received == []
    undelivered = fresh_counterpart.client.events.list({"delivery_success": False}).data
    assert [each.id for each in undelivered] == swept(fresh_counterpart)
    fresh_counterpart.control("deliver", event=undelivered[0].id)
    receiver.wait_for(1)
    fresh_counterpart.control("deliver", all=True)
    receiver.wait_for(4)
    assert set(receiver.ids()) == set(swept(fresh_counterpart))


def test_a_disabled_or_deleted_endpoint_gets_nothing_more(fresh_counterpart: Running, receiver: Receiver) -> None:
    endpoint = add_endpoint(fresh_counterpart, receiver)
    fresh_counterpart.client.webhook_endpoints.update(endpoint.id, {"disabled": True})
    fresh_counterpart.charge()
    fresh_counterpart.client.webhook_endpoints.update(endpoint.id, {"disabled": False})
    fresh_counterpart.client.webhook_endpoints.delete(endpoint.id)
    fresh_counterpart.charge()
    assert fresh_counterpart.control("log")["deliveries"] == []
    add_endpoint(fresh_counterpart, receiver)
    last = fresh_counterpart.charge()
    receiver.wait_for(3)
    assert {json.loads(body)["data"]["object"].get("payment_intent", last.id) for body, _ in receiver.received} == {
        last.id
    }
    assert len(receiver.received) == 3


def test_a_slow_endpoint_does_not_stop_the_others(fresh_counterpart: Running, receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        fresh_counterpart.client.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
        add_endpoint(fresh_counterpart, receiver)
        fresh_counterpart.charge()
        receiver.wait_for(3)


def test_events_are_listed_by_type_for_thirty_days(fresh_counterpart: Running) -> None:
    intent = fresh_counterpart.charge()
    fresh_counterpart.client.refunds.create({"payment_intent": intent.id})
    events = fresh_counterpart.client.events
    assert [each.type for each in events.list({"type": "charge.*"}).data] == ["charge.refunded", "charge.succeeded"]
    assert [each.type for each in events.list({"types": ["refund.created"]}).data] == ["refund.created"]
    last = events.list().data[0].created
    assert events.list({"created": {"gt": last}}).data == []
    assert events.list({"created": {"gte": last}}).data[0].created == last
    assert all(each.created < last for each in events.list({"created": {"lt": last}}).data)
    assert len(events.list({"created": {"lte": last}}).data) == len(swept(fresh_counterpart))
    fresh_counterpart.control("clock", days=31)
    assert events.list().data == []
