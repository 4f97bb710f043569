"""Events: a snapshot of an object at each change, owed to every webhook endpoint that asked for its type."""

import time

import stripe

from marketplace.embedded.stripe_counterpart.contract import Json, check_shape, resource_named, shown
from marketplace.embedded.stripe_counterpart.shapes import API_VERSION
from marketplace.embedded.stripe_counterpart.world import World


def emit(world: World, event_type: str, subject: Json, *, account: str = "", previous: Json | None = None) -> Json:
    """Record that something happened to an object and owe it to the endpoints.

    account: the connected account it happened in, "" for our own. previous: earlier values, for `*.updated`.
    """
    endpoints = [
        endpoint["id"]
        for endpoint in world.select("webhook_endpoint", "json_extract(body, '$.status') = 'enabled'")
        if {"*", event_type} & set(endpoint["enabled_events"])
    ]
    data: Json = {"object": shown(subject)}
    check_shape(resource_named(subject["object"]), data["object"])
    if previous is not None:
        data["previous_attributes"] = previous
    event = world.add(
        "event",
        account=account,
        type=event_type,
        data=data,
        api_version=API_VERSION,
        livemode=False,
        pending_webhooks=len(endpoints),
        request={"id": world.origin.request_id, "idempotency_key": world.origin.idempotency_key},
    )
    if account:
        event["account"] = account
    check_shape(stripe.Event, shown(event))
    for endpoint in endpoints:
        owe_delivery(world, event["id"], endpoint)
    return event


def owe_delivery(world: World, event: str, endpoint: str) -> None:
    """Owe an event to an endpoint from now on."""
    world.query("INSERT INTO delivery (event, endpoint, due_at) VALUES (?, ?, ?)", (event, endpoint, time.time()))
