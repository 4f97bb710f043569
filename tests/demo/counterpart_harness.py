"""What the counterpart's tests share: the real process over real HTTP, the real client, and a receiver of webhooks."""

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe

from tests.support.waiting import wait_until

SUCCESS_URL = "http://shop.test/thanks?session={CHECKOUT_SESSION_ID}"
CANCEL_URL = "http://shop.test/cart"
WITHOUT_REDIRECTS: Any = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}


@dataclass
class HttpResponse:
    """An HTTP answer, redirects not followed."""

    status: int
    text: str
    headers: dict[str, str]

    def json(self) -> Any:
        return json.loads(self.text)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def send(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> HttpResponse:
    """Send one request and return the answer of any status."""
    request = urllib.request.Request(url, body, headers or {}, method=method)  # noqa: S310  our own process
    try:
        with _OPENER.open(request, timeout=10) as answer:
            return HttpResponse(
                answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.headers.items()}
            )
    except urllib.error.HTTPError as error:
        with error:
            return HttpResponse(error.code, error.read().decode(), {k.lower(): v for k, v in error.headers.items()})


class Running:
    """A counterpart in a process of its own."""

    def __init__(self, *options: str, control: bool = True) -> None:
        self._options = [*options, "--control"] if control else list(options)
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "marketplace.demo.stripe_counterpart", *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip().removeprefix("listening on ")
        assert self.url.startswith("http://127.0.0.1:")
        self.client = stripe.StripeClient("sk_test_local", base_addresses={"api": self.url}).v1

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        self._process.kill()
        self._wait()

    def stop(self) -> None:
        self._process.terminate()
        self._wait()

    def _wait(self) -> None:
        self._process.wait(timeout=10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def control(self, action: str, **asked: Any) -> Any:
        """Run an action of the control plane."""
        answer = send("POST", f"{self.url}/_test/{action}", json.dumps(asked).encode())
        assert answer.status == 200, answer.text
        return answer.json()

    def raw(self, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> HttpResponse:
        """Call the API without the package's client."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = urllib.parse.urlencode(form).encode() if form is not None else None
        return send(method, self.url + path, body, {"authorization": "Bearer sk_test_local", **named})

    def submit(self, address: str, **form: str) -> HttpResponse:
        """Submit a form of a hosted page."""
        target = urllib.parse.urljoin(self.url, address)
        return send("POST", target, urllib.parse.urlencode(form).encode())

    def open_session(self, amount: int = 12_000, **more: Any) -> stripe.checkout.Session:
        """Open a session for one licence."""
        line: Any = {
            "quantity": 1,
            "price_data": {"currency": "eur", "unit_amount": amount, "product_data": {"name": "Licence"}},
        }
        usual = {"mode": "payment", "success_url": SUCCESS_URL, "cancel_url": CANCEL_URL, "line_items": [line]}
        asked: Any = {**usual, **more}
        return self.client.checkout.sessions.create(asked)

    def charge(self, amount: int = 12_000, method: str = "pm_card_visa", **more: Any) -> stripe.PaymentIntent:
        """Take an amount from a test card at once."""
        usual = {"amount": amount, "currency": "eur", "payment_method": method, "confirm": True, **WITHOUT_REDIRECTS}
        asked: Any = {**usual, **more}
        return self.client.payment_intents.create(asked)

    def charge_debit(self, amount: int, iban: str) -> stripe.PaymentIntent:
        """Charge an amount by SEPA debit."""
        method = self.client.payment_methods.create(
            {
                "type": "sepa_debit",
                "sepa_debit": {"iban": iban},
                "billing_details": {"name": "Ada", "email": "ada@example.test"},
            }
        )
        return self.charge(amount, method.id)

    def total_balance(self) -> int:
        balance = self.client.balance.retrieve()
        return sum(entry.amount for entry in balance.available) + sum(entry.amount for entry in balance.pending)

    def all_movements(self, **asked: Any) -> list[stripe.BalanceTransaction]:
        filters: Any = {"limit": 100, **asked}
        return list(self.client.balance_transactions.list(filters).auto_paging_iter())


@dataclass
class Receiver:
    """A webhook endpoint. answers: the status codes of its first answers; then 200."""

    url: str
    received: list[tuple[bytes, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for body, _ in self.received]

    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for body, _ in self.received]

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.received) >= count)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Serve a webhook endpoint of our own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            here.received.append((body, self.headers["stripe-signature"]))
            self.send_response(here.answers.pop(0) if here.answers else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield here
        finally:
            server.shutdown()
            thread.join()
