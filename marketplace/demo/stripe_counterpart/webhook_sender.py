"""Sends events to webhook endpoints over HTTP: signed, at least once, in no promised order, with retries.

A delivery is a row until it has an outcome, so one that a kill interrupts is sent again after the restart.
"""

import asyncio
import contextlib
import functools
import json
import random
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import stripe

from marketplace.demo.stripe_counterpart.responses import to_public
from marketplace.demo.stripe_counterpart.scheduled_actions import run_due_actions
from marketplace.demo.stripe_counterpart.state import Delivery, StripeState

RETRY_DELAYS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_TIMEOUT = 10.0
_MAX_WAIT = 0.5
_MAX_SHUFFLE_DELAY = 0.2
_MAX_IN_FLIGHT = 16


@dataclass
class NetworkConditions:
    """What the network does to deliveries, for tests.

    pause: none is sent for now. lose: none ever arrives. duplicate: each is sent twice. shuffle: each is delayed.
    """

    pause: bool = False
    lose: bool = False
    duplicate: bool = False
    shuffle: bool = False


class WebhookSender:
    """Delivers queued events, and runs scheduled actions, while `run` runs."""

    def __init__(self, state: StripeState) -> None:
        """Serve a state; nothing is sent before `run`."""
        self.network = NetworkConditions()
        self._state = state
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._chance = random.Random(1)  # noqa: S311  delays deliveries, guards nothing

    def wake(self) -> None:
        """Signal that a delivery may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                self._wake.clear()
                with self._state.transaction():
                    run_due_actions(self._state)
                self._start_due_deliveries()
                await self._wait()
        finally:
            for task in self._in_flight.values():
                task.cancel()

    async def _wait(self) -> None:
        """Wait for a signal, for the next delivery to be due, or half a second, when a scheduled action may be due."""
        [due_at] = self._state.fetch_rows(
            _optional_float, "SELECT min(due_at) FROM delivery WHERE outcome IS NULL AND due_at > ?", (time.time(),)
        )
        until_due = _MAX_WAIT if due_at is None else due_at - time.time()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(0.0, min(until_due, _MAX_WAIT)))

    def _start_due_deliveries(self) -> None:
        """Start every delivery that is due, as many at once as allowed."""
        if self.network.pause:
            return
        due = self._state.fetch_rows(Delivery, _DUE, (time.time(), _MAX_IN_FLIGHT))
        for delivery in due:
            if delivery.id in self._in_flight or len(self._in_flight) >= _MAX_IN_FLIGHT:
                continue
            if self.network.lose:
                self._record(delivery, "lost", "never sent")
                continue
            task = asyncio.create_task(self._deliver(delivery))
            self._in_flight[delivery.id] = task
            task.add_done_callback(functools.partial(self._finished, delivery.id))

    def _finished(self, delivery_id: int, _task: asyncio.Task[None]) -> None:
        del self._in_flight[delivery_id]
        self.wake()

    async def _deliver(self, delivery: Delivery) -> None:
        endpoint = self._state.find(delivery.endpoint)
        event = self._state.find(delivery.event)
        if endpoint is None or event is None or endpoint["status"] != "enabled":
            self._record(delivery, "dropped", "endpoint gone")
            return
        body = json.dumps(to_public(event))
        if self.network.shuffle:
            await asyncio.sleep(self._chance.random() * _MAX_SHUFFLE_DELAY)
        for _ in range(2 if self.network.duplicate else 1):
            signature = stripe.WebhookSignature.generate_signature_header(body, endpoint["_secret"])
            result = await _post(endpoint["url"], body.encode(), signature)
        if result.isdigit() and 200 <= int(result) < 300:  # noqa: PLR2004  the meaning of HTTP status codes
            self._record(delivery, "delivered", result)
        elif delivery.attempts >= len(RETRY_DELAYS):
            self._record(delivery, "failed", result)
        else:
            self._retry_later(delivery, result)

    def _record(self, delivery: Delivery, outcome: str, result: str) -> None:
        with self._state.transaction():
            self._state.execute(
                "UPDATE delivery SET outcome = ?, result = ?, attempts = attempts + 1 WHERE id = ?",
                (outcome, result, delivery.id),
            )
            event = self._state.find(delivery.event)
            if event is not None and outcome == "delivered":
                event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)

    def _retry_later(self, delivery: Delivery, result: str) -> None:
        with self._state.transaction():
            self._state.execute(
                "UPDATE delivery SET result = ?, attempts = attempts + 1, due_at = ? WHERE id = ?",
                (result, time.time() + RETRY_DELAYS[delivery.attempts], delivery.id),
            )


_DUE = """
SELECT id, event, endpoint, attempts, outcome, result FROM delivery
WHERE outcome IS NULL AND due_at <= ?
ORDER BY id LIMIT ?
"""


def _optional_float(value: float | None) -> float | None:
    return value


async def _post(url: str, body: bytes, signature: str) -> str:
    """Post an event and return the status code as text, or the name of the error."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await _post_within_time(url, body, signature)
    except (OSError, ValueError, IndexError, TimeoutError) as failure:
        return type(failure).__name__


async def _post_within_time(url: str, body: bytes, signature: str) -> str:
    address = urlsplit(url)
    tls = ssl.create_default_context() if address.scheme == "https" else None
    port = address.port or (443 if tls else 80)
    reader, writer = await asyncio.open_connection(address.hostname, port, ssl=tls)
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    head = [
        f"POST {target} HTTP/1.1",
        f"Host: {address.netloc}",
        "Connection: close",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
        f"Stripe-Signature: {signature}",
        "User-Agent: Stripe/1.0 (local counterpart)",
    ]
    try:
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await writer.drain()
        status_line = await reader.readline()
        await reader.read()
    finally:
        writer.close()
    return status_line.split()[1].decode()
