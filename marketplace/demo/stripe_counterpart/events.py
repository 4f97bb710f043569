"""Events: a snapshot of an object at each change, queued for every webhook endpoint that listens to its type."""

import time

import stripe

from marketplace.demo.stripe_counterpart.responses import check_response, resource_named, to_public
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import API_VERSION, Json


def emit(
    state: StripeState, event_type: str, subject: Json, *, account: str = "", previous: Json | None = None
) -> Json:
    """Record an event of an object and queue its deliveries.

    account: the connected account it belongs to, "" for our own. previous: earlier values, for `*.updated`.
    """
    data: Json = {"object": to_public(subject)}
    check_response(resource_named(subject["object"]), data["object"])
    if previous is not None:
        data["previous_attributes"] = previous
    return add_event(state, event_type, data, account=account)


def add_event(
    state: StripeState, event_type: str, data: Json, *, account: str = "", api_version: str = API_VERSION
) -> Json:
    """Record an event with this data and queue its deliveries; the object of another API version is not checked."""
    endpoints = [
        endpoint["id"]
        for endpoint in state.select("webhook_endpoint", "json_extract(body, '$.status') = 'enabled'")
        if {"*", event_type} & set(endpoint["enabled_events"])
    ]
    event = state.add(
        "event",
        account=account,
        type=event_type,
        data=data,
        api_version=api_version,
        livemode=False,
        pending_webhooks=len(endpoints),
        request={"id": state.origin.request_id, "idempotency_key": state.origin.idempotency_key},
    )
    if account:
        event["account"] = account
    check_response(stripe.Event, to_public(event))
    for endpoint in endpoints:
        queue_delivery(state, event["id"], endpoint)
    return event


def sign_event(body: str, secret: str, at: int) -> str:
    """Return the header that signs a webhook's body. at: Unix seconds."""
    header: str = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=at)
    return header


def queue_delivery(state: StripeState, event: str, endpoint: str) -> None:
    """Queue an event for an endpoint, due now."""
    state.execute("INSERT INTO delivery (event, endpoint, due_at) VALUES (?, ?, ?)", (event, endpoint, time.time()))
