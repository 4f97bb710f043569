"""The ASGI application: reads a request whole and hands it to the API, the hosted pages or the control plane."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from marketplace.demo.stripe_counterpart.api import Api, Crash
from marketplace.demo.stripe_counterpart.control import PREFIX, Control
from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.http_messages import MAX_BODY, Request, Response, json_response
from marketplace.demo.stripe_counterpart.pages import handle_page
from marketplace.demo.stripe_counterpart.scheduled_actions import start_daily_payouts
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.webhook_sender import WebhookSender

PAGES = "/c/"
"""What the paths of hosted pages begin with, and no others."""
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


def create_counterpart(
    path: Path | None,
    *,
    control: bool = False,
    seed: str | None = None,
    daily_payouts: bool = False,
    read_time: Callable[[], float] = time.time,
    pages_at: str = "",
) -> "Counterpart":
    """Return a counterpart of Stripe whose state lives in a file, or in memory when path is None.

    control: whether the control plane is served under /_test/. seed: makes ids and secrets the same in every run.
    daily_payouts: whether Stripe pays out automatically every midnight; otherwise only the control plane makes
    automatic payouts. read_time: the clock in Unix seconds; the demo's own clock shifts. pages_at: the address at which
    links to hosted pages begin, if it differs from the one at which the API is called.
    """
    state = StripeState(path, seed, read_time)
    if daily_payouts:
        with state.transaction():
            start_daily_payouts(state)
    return Counterpart(state, has_control=control, pages_at=pages_at)


class Counterpart:
    """An ASGI application; webhooks are sent while its lifespan runs."""

    def __init__(self, state: StripeState, *, has_control: bool, pages_at: str = "") -> None:
        """Serve a state over HTTP."""
        self._state = state
        self._pages_at = pages_at
        self._api = Api(state)
        self._sender = WebhookSender(state)
        self._control = Control(state, self._sender) if has_control else None

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Serve one lifespan or one request."""
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        elif scope["type"] == "http":
            request = await _read_request(scope, receive, self._pages_at)
            if request is not None:
                response = await self._respond(request)
                self._sender.wake()
                await _send_response(response, send)

    async def _run_lifespan(self, receive: _Receive, send: _Send) -> None:
        await receive()
        sender = asyncio.create_task(self._sender.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sender
        self._state.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _respond(self, request: Request) -> Response | None:
        """Return the answer, or None if the network loses it."""
        if len(request.body) > MAX_BODY:
            return json_response(413, {"error": {"type": "invalid_request_error", "message": "Request too large."}})
        if request.path == "/":
            return Response(200, b"Local counterpart of Stripe. No real money moves here.\n", "text/plain")
        if request.path.startswith(PAGES):
            return handle_page(self._state, request)
        if request.path.startswith(PREFIX) and self._control is not None:
            return self._control.handle(request)
        return await self._respond_as_api(request)

    async def _respond_as_api(self, request: Request) -> Response | None:
        fault = None if self._control is None else self._control.next_fault(request.method, request.path)
        if fault is None:
            return await self._execute(request)
        if fault.kind == "drop_before":
            return None
        if fault.kind == "status":
            headers = {"stripe-should-retry": "true" if fault.retry else "false"}
            kind = "rate_limit_error" if fault.status == 429 else "api_error"  # noqa: PLR2004  the meaning of HTTP status codes
            error = {"type": kind, "message": "A planned fault.", **({"code": fault.code} if fault.code else {})}
            return json_response(fault.status, {"error": error}, headers)
        crash = Crash(executed=fault.executed) if fault.kind == "saved500" else None
        response = await self._execute(request, crash, fault.seconds if fault.kind == "delay" else 0)
        return None if fault.kind == "drop_after" else response

    async def _execute(self, request: Request, crash: Crash | None = None, delay: float = 0) -> Response:
        try:
            with self._api.reserve_key(request):
                if delay:
                    await asyncio.sleep(delay)
                return self._api.execute(request, crash)
        except ApiError as refused:
            return json_response(refused.status, refused.body)


async def _read_request(scope: _Message, receive: _Receive, pages_at: str) -> Request | None:
    """Read a request whole, or return None if its sender leaves early; stop reading a body past the limit."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    body = b""
    more = True
    while more and len(body) <= MAX_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    host = headers.get("host", "127.0.0.1")
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=body,
        base=pages_at or f"{scope['scheme']}://{host}",
    )


async def _send_response(response: Response | None, send: _Send) -> None:
    """Send a response; a lost one (None) announces a body that is never sent, so the server closes the connection."""
    if response is None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        return
    headers = {
        "content-type": response.content_type,
        "content-length": str(len(response.body)),
        **response.headers,
    }
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": raw})
    await send({"type": "http.response.body", "body": response.body})
