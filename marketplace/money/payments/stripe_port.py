"""The interface to Stripe: the only module that imports `stripe`. It returns our own types, never Stripe's objects.

No call is retried here and none is made inside a transaction: a command's worker decides what silence means.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Self

from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from marketplace.money.payments.stripe_objects import (
    instant,
    metadata_of,
    read_dispute,
    read_intent,
    read_movement,
    read_saved_method,
    read_session,
)
from pricing.money import EUR

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from types import TracebackType

    import stripe

    from marketplace.money.payments.rules import DisputeStatus, Movement, PaymentStatus, SavedMethodStatus

TIMEOUT_SECONDS = 15
TOLERANCE_SECONDS = 300
PAGE = 100
OLDEST_STATUS_OF_A_CRASH = 500
FINAL_STATUSES = (400, 402, 404)
"""With these errors Stripe has decided; any other error may end differently on another call."""
ABSENT = ("resource_missing", "account_invalid")  # the latter, with 403, for a connected account that was deleted
PAYMENT = "payment_intent.latest_charge"
METHOD = "setup_intent.payment_method"


class SilentError(Exception):
    """Stripe has not decided: ask again later with the same key."""

    def __init__(self, why: str, *, is_replayed: bool = False) -> None:
        """Store the reason; `is_replayed`: the same key will be answered with this failure for a day."""
        super().__init__(why)
        self.is_replayed = is_replayed


class DecidedError(Exception):
    """Stripe has permanently refused: asking again changes nothing."""

    def __init__(self, why: str, *, code: str | None, param: str | None) -> None:
        """Store Stripe's sentence and code, and the parameter it objects to."""
        super().__init__(why)
        self.code, self.param = code, param


class AbsentError(DecidedError):
    """The object does not exist, or is no longer ours."""


class DeclinedError(DecidedError):
    """The bank refused the payer's card, or requires the payer to be present."""

    def __init__(self, why: str, *, code: str | None, intent: PaymentStatus) -> None:
        """Store Stripe's sentence, the bank's code and the payment as it is now."""
        super().__init__(why, code=code, param=None)
        self.intent = intent


class StripePort:
    """Stripe, while one worker needs it (`async with`)."""

    def __init__(self) -> None:
        """Open a client of our own: a pooled connection must not outlive its event loop."""
        import stripe  # noqa: PLC0415 (half a second that pages which ask nothing of Stripe need not wait for)

        self._http = _http_client(stripe.HTTPXClient)
        self._v1 = stripe.StripeClient(
            settings().stripe_key,
            http_client=self._http,
            max_network_retries=0,
            base_addresses={"api": settings().stripe_url} if settings().stripe_url else None,
        ).v1
        self.api_version: str = stripe.api_version
        """The API version of the installed package; webhook endpoints are pinned to it."""
        self._available: int | None = None
        self._one_reader = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Return the open port."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        await self._http.close_async()

    # -------------------------------------------------------------- commands
    async def create_customer(self, parameters: dict[str, Any], key: str) -> str:
        """Make a customer and return its id."""
        asked: Any = parameters
        return str((await answer(self._v1.customers.create_async(asked, {"idempotency_key": key}))).id)

    async def create_account(self, parameters: dict[str, Any], key: str) -> str:
        """Make a connected account and return its id."""
        asked: Any = parameters
        return str((await answer(self._v1.accounts.create_async(asked, {"idempotency_key": key}))).id)

    async def money_in(self, account_id: str) -> int:
        """Return the cents in a connected account, available and pending; 0 if the account does not exist."""
        try:
            balance = await answer(self._v1.balance.retrieve_async({}, {"stripe_account": account_id}))
        except AbsentError:
            return 0
        return sum(part.amount for part in (*balance.available, *balance.pending))

    async def delete_account(self, account_id: str) -> None:
        """Delete a connected account; it needs no key, because deleting it again changes nothing."""
        with contextlib.suppress(AbsentError):
            await answer(self._v1.accounts.delete_async(account_id))

    async def transfer(self, parameters: dict[str, Any], key: str) -> str:
        """Move money to a connected account and return the transfer's id."""
        asked: Any = parameters
        return str((await answer(self._v1.transfers.create_async(asked, {"idempotency_key": key}))).id)

    async def find_transfer_of(self, command: uuid.UUID, group: str) -> str | None:
        """Return the id of the transfer that a command made in this group, even if its answer never came."""
        found = await _made_by(command, self._v1.transfers.list_async, {"transfer_group": group})
        return str(found.id) if found else None

    async def create_session(self, parameters: dict[str, Any], key: str) -> PaymentStatus:
        """Open a hosted page for a payment."""
        asked: Any = {**parameters, "expand": [PAYMENT]}
        return read_session(await answer(self._v1.checkout.sessions.create_async(asked, {"idempotency_key": key})))

    async def create_setup(self, parameters: dict[str, Any], key: str) -> SavedMethodStatus:
        """Open a hosted page where a payment method is saved for later."""
        asked: Any = {**parameters, "expand": [METHOD]}
        return read_saved_method(await answer(self._v1.checkout.sessions.create_async(asked, {"idempotency_key": key})))

    async def expire_session(self, session_id: str, key: str) -> PaymentStatus:
        """Close a hosted page permanently; refused if it is not open."""
        sessions = self._v1.checkout.sessions
        return read_session(
            await answer(sessions.expire_async(session_id, {"expand": [PAYMENT]}, {"idempotency_key": key}))
        )

    async def charge(self, parameters: dict[str, Any], key: str) -> PaymentStatus:
        """Charge a saved method off session; a decline is raised with the payment it left."""
        asked: Any = {**parameters, "expand": ["latest_charge"]}
        return read_intent(await answer(self._v1.payment_intents.create_async(asked, {"idempotency_key": key})))

    async def capture(self, intent_id: str, amount_minor: int, key: str) -> PaymentStatus:
        """Capture an authorised amount, or a part of it; refused if it is no longer authorised."""
        asked: Any = {"amount_to_capture": amount_minor, "expand": ["latest_charge"]}
        options: Any = {"idempotency_key": key}
        return read_intent(await answer(self._v1.payment_intents.capture_async(intent_id, asked, options)))

    async def cancel(self, intent_id: str, key: str) -> PaymentStatus:
        """Cancel an unpaid payment; refused if it is paid or was cancelled before."""
        options: Any = {"idempotency_key": key}
        return read_intent(
            await answer(self._v1.payment_intents.cancel_async(intent_id, {"expand": ["latest_charge"]}, options))
        )

    async def refund(self, parameters: dict[str, Any], key: str) -> str:
        """Refund money and return the refund's id."""
        asked: Any = parameters
        return str((await answer(self._v1.refunds.create_async(asked, {"idempotency_key": key}))).id)

    async def detach(self, method_id: str, key: str) -> None:
        """Forget a saved method at Stripe; refused if it was forgotten before."""
        await answer(self._v1.payment_methods.detach_async(method_id, {}, {"idempotency_key": key}))

    # -------------------------------------------------------------- objects read
    async def get_session(self, session_id: str) -> PaymentStatus:
        """Return a session as it is now."""
        return read_session(await answer(self._v1.checkout.sessions.retrieve_async(session_id, {"expand": [PAYMENT]})))

    async def get_page(self, session_id: str) -> PaymentStatus | SavedMethodStatus:
        """Return a hosted page as it is now: one for a payment, or one to save a payment method."""
        asked: Any = {"expand": [PAYMENT, METHOD]}
        page = await answer(self._v1.checkout.sessions.retrieve_async(session_id, asked))
        return read_saved_method(page) if page.mode == "setup" else read_session(page)

    async def find_intent_behind(self, kind: str, name: str) -> str | None:
        """Return the id of a charge's or refund's payment, or None without one."""
        resource: Any = {"charge": self._v1.charges, "refund": self._v1.refunds}[kind]
        intent = (await answer(resource.retrieve_async(name))).payment_intent
        return intent if isinstance(intent, str) or intent is None else str(intent.id)

    async def get_intent(self, intent_id: str) -> PaymentStatus:
        """Return a payment as it is now, on any page or none."""
        return read_intent(
            await answer(self._v1.payment_intents.retrieve_async(intent_id, {"expand": ["latest_charge"]}))
        )

    async def get_dispute(self, dispute_id: str) -> DisputeStatus:
        """Return a dispute as it is now."""
        return read_dispute(await answer(self._v1.disputes.retrieve_async(dispute_id)))

    async def is_attached(self, method_id: str) -> bool:
        """Return whether a payment method still belongs to a customer."""
        return bool((await answer(self._v1.payment_methods.retrieve_async(method_id))).customer)

    async def list_sessions_of(self, intent_id: str) -> list[PaymentStatus]:
        """Return the sessions that a payment intent pays: one, or none if no hosted page made it."""
        asked: Any = {"payment_intent": intent_id, "expand": [f"data.{PAYMENT}"]}
        return [read_session(found) for found in (await answer(self._v1.checkout.sessions.list_async(asked))).data]

    # -------------------------------------------------------------- what a command did, though its answer never came
    async def find_session_of(self, command: uuid.UUID, since: dt.datetime) -> PaymentStatus | None:
        """Return the page that a command opened since then."""
        asked = {"created": {"gte": _unix(since)}, "expand": [f"data.{PAYMENT}"]}
        found = await _made_by(command, self._v1.checkout.sessions.list_async, asked)
        return read_session(found) if found else None

    async def find_setup_of(self, command: uuid.UUID, since: dt.datetime) -> SavedMethodStatus | None:
        """Return the page for saving a method that a command opened since then."""
        asked = {"created": {"gte": _unix(since)}, "expand": [f"data.{METHOD}"]}
        found = await _made_by(command, self._v1.checkout.sessions.list_async, asked)
        return read_saved_method(found) if found else None

    async def find_intent_of(self, command: uuid.UUID, customer: str, since: dt.datetime) -> PaymentStatus | None:
        """Return the charge that a command tried on a customer since then."""
        asked = {"customer": customer, "created": {"gte": _unix(since)}, "expand": ["data.latest_charge"]}
        found = await _made_by(command, self._v1.payment_intents.list_async, asked)
        return read_intent(found) if found else None

    async def find_refund_of(self, command: uuid.UUID, intent_id: str) -> str | None:
        """Return the id of the refund that a command made of a payment."""
        found = await _made_by(command, self._v1.refunds.list_async, {"payment_intent": intent_id})
        return str(found.id) if found else None

    async def find_customer_of(self, command: uuid.UUID, since: dt.datetime) -> str | None:
        """Return the id of the customer that a command made since then."""
        found = await _made_by(command, self._v1.customers.list_async, {"created": {"gte": _unix(since)}})
        return str(found.id) if found else None

    async def find_account_of(self, command: uuid.UUID, since: dt.datetime) -> str | None:
        """Return the id of the connected account that a command made since then."""
        found = await _made_by(command, self._v1.accounts.list_async, {"created": {"gte": _unix(since)}})
        return str(found.id) if found else None

    # -------------------------------------------------------------- lists
    async def list_events(
        self, since: dt.datetime | None, types: Sequence[str]
    ) -> AsyncIterator[list[tuple[str, str, str, dt.datetime]]]:
        """Yield pages of events of at most twenty types, newest first: id, type, body, created at."""
        async for page in pages(self._v1.events.list_async, {**_created(since), "types": list(types)}):
            yield [(e.id, e.type, json.dumps(e.to_dict(), default=_plain), instant(e.created)) for e in page]

    async def find_endpoint_start(self, url: str) -> dt.datetime | None:
        """Return when the enabled webhook endpoint of this address was made, the first if there are several, or None."""
        starts = [
            instant(endpoint.created)
            async for page in pages(self._v1.webhook_endpoints.list_async, {})
            for endpoint in page
            if endpoint.url == url and endpoint.status == "enabled"
        ]
        return min(starts, default=None)

    async def list_movements(self, since: dt.datetime | None) -> AsyncIterator[list[Movement]]:
        """Yield pages of balance transactions, newest first."""
        async for page in pages(
            self._v1.balance_transactions.list_async, {**_created(since), "expand": ["data.source"]}
        ):
            yield [read_movement(each) for each in page]

    async def list_movements_in(self, payout_id: str) -> AsyncIterator[list[str]]:
        """Yield pages of ids of the balance transactions that an automatic payout paid out."""
        async for page in pages(self._v1.balance_transactions.list_async, {"payout": payout_id}):
            yield [each.id for each in page]

    async def is_reconciled(self, payout_id: str) -> bool:
        """Return whether Stripe made this payout by itself and lists the transactions it paid out."""
        payout = await answer(self._v1.payouts.retrieve_async(payout_id))
        return bool(payout.automatic) and payout.reconciliation_status == "completed"

    async def set_aside(self, amount_minor: int) -> int:
        """Reserve an amount for a transfer if it is available, and return what was available, both in cents.

        Stripe is asked once while the port is open.
        """
        async with self._one_reader:
            if self._available is None:
                self._available = await self.available_minor()
            available = self._available
            self._available -= amount_minor if amount_minor <= available else 0
        return available

    async def available_minor(self, currency: str = EUR) -> int:
        """Return what Stripe would let us transfer or pay out now, in cents."""
        balance = await answer(self._v1.balance.retrieve_async())
        return sum(part.amount for part in balance.available if part.currency == currency.lower())

    async def balance_minor(self, currency: str = EUR) -> int:
        """Return our balance at Stripe, available and pending."""
        balance = await answer(self._v1.balance.retrieve_async())
        return sum(part.amount for part in (*balance.available, *balance.pending) if part.currency == currency.lower())


# ------------------------------------------------------------------ signatures
def verify(body: bytes, signature: str | None, now: dt.datetime) -> None:
    """Refuse a body that Stripe did not sign within five minutes of `now`, either way.

    Stripe's own check accepts signatures from the future, so the time is checked here.
    """
    import stripe  # noqa: PLC0415 (as above)

    secret = settings().stripe_webhook_secret
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret)
    except (stripe.SignatureVerificationError, ValueError):  # the latter: a header like `t=1=2`, or a body not UTF-8
        raise Invalid("That is not signed by Stripe.") from None
    times = [part[2:] for part in (signature or "").split(",") if part.startswith("t=")]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdecimal():
        raise Invalid("That is not signed by Stripe.")
    if (apart := abs(now.timestamp() - int(times[0]))) > TOLERANCE_SECONDS:
        raise Invalid("That signature is {apart} seconds from our clock; 300 are accepted.", apart=round(apart))


# ------------------------------------------------------------------ Stripe's words into ours
def _http_client(kind: type[stripe.HTTPXClient]) -> stripe.HTTPXClient:
    """Return a client that sends forms as `content`: stripe 16.1 still uses `data`, of which httpx warns."""

    class Client(kind):  # type: ignore[misc, valid-type]
        def _get_request_args_kwargs(self, *asked: Any) -> list[Any]:  # noqa: ANN401 (stripe's own arguments)
            positional, named = super()._get_request_args_kwargs(*asked)
            return [positional, {**named, "data": None, "content": named["data"] or None}]

    is_plain = (settings().stripe_url or "").startswith("http://")  # the local counterpart: no certificates to load
    return Client(timeout=TIMEOUT_SECONDS, verify_ssl_certs=not is_plain)


async def answer(call: Awaitable[Any]) -> Any:  # noqa: ANN401 (any of Stripe's objects)
    """Return Stripe's answer; raises SilentError, DecidedError and DeclinedError."""
    with _translated():
        return await call


async def pages(call: Callable[..., Awaitable[Any]], parameters: dict[str, Any]) -> AsyncIterator[list[Any]]:
    """Yield the pages of one of Stripe's lists."""
    after: dict[str, str] = {}
    while True:
        page = await answer(call({"limit": PAGE, **parameters, **after}))
        if page.data:
            yield page.data
            after = {"starting_after": page.data[-1].id}
        if not page.has_more:
            return


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    import stripe  # noqa: PLC0415 (as above)

    try:
        yield
    except stripe.StripeError as error:
        status = error.http_status or 0
        why = f"{type(error).__name__} {status}: {error.user_message or error}"
        code = error.code or getattr(error.error, "code", None)  # the package leaves it out with 403
        if (status in FINAL_STATUSES or code in ABSENT) and not isinstance(error, stripe.RateLimitError):
            failed = getattr(error.error, "payment_intent", None) if isinstance(error, stripe.CardError) else None
            if failed is not None:
                raise DeclinedError(why, code=error.code, intent=read_intent(failed)) from error
            refusal = AbsentError if code in ABSENT else DecidedError
            raise refusal(why, code=code, param=getattr(error, "param", None)) from error
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        replayed = status >= OLDEST_STATUS_OF_A_CRASH and headers.get("idempotent-replayed") == "true"
        raise SilentError(why, is_replayed=replayed) from error


async def _made_by(command: uuid.UUID, listing: Callable[..., Awaitable[Any]], asked: dict[str, Any]) -> Any | None:  # noqa: ANN401 (any of Stripe's objects)
    """Return the one object of a list that has a command's id."""
    async for page in pages(listing, asked):
        for found in page:
            if metadata_of(found).get("command") == str(command):
                return found
    return None


def _plain(value: Any) -> Any:  # noqa: ANN401 (what the package makes of JSON)
    """Return JSON's value for a decimal number, which the package reads from a text, and for objects in a map."""
    return value.to_dict() if hasattr(value, "to_dict") else str(value)


def _created(since: dt.datetime | None) -> dict[str, Any]:
    return {"created": {"gte": _unix(since)}} if since else {}


def _unix(instant: dt.datetime) -> int:
    return int(instant.timestamp())
