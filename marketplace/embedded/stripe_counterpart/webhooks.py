"""The courier: events delivered over HTTP with a real signature, at least once, in no promised order, with retries.

What is owed is a row, so a courier killed in the middle of a delivery sends it again after the restart.
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

from marketplace.embedded.stripe_counterpart.contract import shown
from marketplace.embedded.stripe_counterpart.passing_time import catch_up
from marketplace.embedded.stripe_counterpart.world import World

RETRY_DELAYS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_TIMEOUT = 10.0
_LONGEST_REST = 0.5
_LONGEST_DETOUR = 0.2
_DELIVERIES_AT_ONCE = 16


@dataclass
class Weather:
    """How the network treats deliveries, for tests. hold: none leaves. lose: none arrives, ever. duplicate, shuffle."""

    hold: bool = False
    lose: bool = False
    duplicate: bool = False
    shuffle: bool = False


@dataclass(frozen=True)
class _Delivery:
    id: int
    event: str
    endpoint: str
    attempts: int


class Courier:
    """Delivers what is owed while `run` runs, and lets time pass in the world meanwhile."""

    def __init__(self, world: World) -> None:
        """Serve a world; nothing leaves before `run`."""
        self.weather = Weather()
        self._world = world
        self._on_the_way: dict[int, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._chance = random.Random(1)  # noqa: S311  delays deliveries, guards nothing

    def wake(self) -> None:
        """Say that something may be owed."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                self._news.clear()
                with self._world.transaction():
                    catch_up(self._world)
                self._send_off()
                await self._rest()
        finally:
            for task in self._on_the_way.values():
                task.cancel()

    async def _rest(self) -> None:
        """Wait for news, for the next delivery to be due, or for half a second: alarms tell nobody."""
        rows = self._world.query(
            "SELECT min(due_at) FROM delivery WHERE outcome IS NULL AND due_at > ?", (time.time(),)
        )
        until_due = _LONGEST_REST if rows[0][0] is None else rows[0][0] - time.time()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), max(0.0, min(until_due, _LONGEST_REST)))

    def _send_off(self) -> None:
        """Start every delivery that is due, as many at once as allowed."""
        if self.weather.hold:
            return
        due = [_Delivery(*row) for row in self._world.query(_DUE, (time.time(), _DELIVERIES_AT_ONCE))]
        for delivery in due:
            if delivery.id in self._on_the_way or len(self._on_the_way) >= _DELIVERIES_AT_ONCE:
                continue
            if self.weather.lose:
                self._record(delivery, "lost", "never left")
                continue
            task = asyncio.create_task(self._deliver(delivery))
            self._on_the_way[delivery.id] = task
            task.add_done_callback(functools.partial(self._arrived, delivery.id))

    def _arrived(self, delivery_id: int, _task: asyncio.Task[None]) -> None:
        del self._on_the_way[delivery_id]
        self.wake()

    async def _deliver(self, delivery: _Delivery) -> None:
        endpoint = self._world.find(delivery.endpoint)
        event = self._world.find(delivery.event)
        if endpoint is None or event is None or endpoint["status"] != "enabled":
            self._record(delivery, "dropped", "endpoint gone")
            return
        body = json.dumps(shown(event))
        if self.weather.shuffle:
            await asyncio.sleep(self._chance.random() * _LONGEST_DETOUR)
        for _ in range(2 if self.weather.duplicate else 1):
            signature = stripe.WebhookSignature.generate_signature_header(body, endpoint["_secret"])
            result = await _post(endpoint["url"], body.encode(), signature)
        if result.isdigit() and 200 <= int(result) < 300:  # noqa: PLR2004  the meaning of HTTP status codes
            self._record(delivery, "delivered", result)
        elif delivery.attempts >= len(RETRY_DELAYS):
            self._record(delivery, "failed", result)
        else:
            self._retry_later(delivery, result)

    def _record(self, delivery: _Delivery, outcome: str, result: str) -> None:
        with self._world.transaction():
            self._world.query(
                "UPDATE delivery SET outcome = ?, result = ?, attempts = attempts + 1 WHERE id = ?",
                (outcome, result, delivery.id),
            )
            event = self._world.find(delivery.event)
            if event is not None and outcome == "delivered":
                event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)

    def _retry_later(self, delivery: _Delivery, result: str) -> None:
        with self._world.transaction():
            self._world.query(
                "UPDATE delivery SET result = ?, attempts = attempts + 1, due_at = ? WHERE id = ?",
                (result, time.time() + RETRY_DELAYS[delivery.attempts], delivery.id),
            )


_DUE = "SELECT id, event, endpoint, attempts FROM delivery WHERE outcome IS NULL AND due_at <= ? ORDER BY id LIMIT ?"


async def _post(url: str, body: bytes, signature: str) -> str:
    """Post an event and return the status code as text, or the name of what went wrong."""
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
