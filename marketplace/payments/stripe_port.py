"""The seam to Stripe: the only module that imports `stripe`. Its objects end here; what leaves are our own words.

No call is retried here and none is made inside a transaction: a command's worker decides what silence means.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any, Self

from marketplace.errors import Invalid
from marketplace.payments.rules import Movement, Session
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from types import TracebackType

    import stripe

TIMEOUT_SECONDS = 15
TOLERANCE_SECONDS = 300
PAGE = 100
OLDEST_STATUS_OF_A_CRASH = 500
FINAL_STATUSES = (400, 402, 404)
"""With these Stripe has decided; any other error may end differently when asked again."""
PAYMENT = "payment_intent.latest_charge"


class SilentError(Exception):
    """Stripe has not decided: ask again later with the same key."""

    def __init__(self, why: str, *, is_replayed: bool = False) -> None:
        """Keep why; `is_replayed` says that the same key will be answered with this failure for a day."""
        super().__init__(why)
        self.is_replayed = is_replayed


class DecidedError(Exception):
    """Stripe has refused for good: asking again changes nothing."""

    def __init__(self, why: str, *, code: str | None, param: str | None, is_absent: bool) -> None:
        """Keep Stripe's sentence and code, and the parameter it minds."""
        super().__init__(why)
        self.code, self.param, self.is_absent = code, param, is_absent


class StripePort:
    """Stripe, for as long as one worker needs it (`async with`)."""

    def __init__(self) -> None:
        """Open a client of our own: a pooled connection must not outlive its event loop."""
        import stripe  # noqa: PLC0415 (half a second that pages which ask nothing of Stripe need not wait for)

        self._http = _http_client(stripe.HTTPXClient)
        self._v1 = stripe.StripeClient(
            settings().stripe_key, http_client=self._http, max_network_retries=0,
            base_addresses={"api": settings().stripe_url} if settings().stripe_url else None,
        ).v1  # fmt: skip

    async def __aenter__(self) -> Self:
        """Return the open port."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        await self._http.close_async()

    # -------------------------------------------------------------- commands
    async def create_session(self, parameters: dict[str, Any], key: str) -> Session:
        """Open a hosted page."""
        asked: Any = {**parameters, "expand": [PAYMENT]}
        return _session(await _answer(self._v1.checkout.sessions.create_async(asked, {"idempotency_key": key})))

    async def expire_session(self, session_id: str, key: str) -> Session:
        """Close a hosted page for good; refused when it is not open."""
        sessions = self._v1.checkout.sessions
        return _session(
            await _answer(sessions.expire_async(session_id, {"expand": [PAYMENT]}, {"idempotency_key": key}))
        )

    async def refund(self, parameters: dict[str, Any], key: str) -> str:
        """Give money back and return the refund's id."""
        asked: Any = parameters
        return str((await _answer(self._v1.refunds.create_async(asked, {"idempotency_key": key}))).id)

    # -------------------------------------------------------------- what stands
    async def get_session(self, session_id: str) -> Session:
        """Return a session as it stands now."""
        return _session(await _answer(self._v1.checkout.sessions.retrieve_async(session_id, {"expand": [PAYMENT]})))

    async def list_sessions_of(self, intent_id: str) -> list[Session]:
        """Return the sessions that a payment intent pays: one, or none when it was not made by a hosted page."""
        asked: Any = {"payment_intent": intent_id, "expand": [f"data.{PAYMENT}"]}
        return [_session(found) for found in (await _answer(self._v1.checkout.sessions.list_async(asked))).data]

    async def find_session_of(self, command: uuid.UUID, since: dt.datetime) -> Session | None:
        """Return the session that a command made since then, though its answer never came."""
        asked = {"created": {"gte": _unix(since)}, "expand": [f"data.{PAYMENT}"]}
        async for page in _pages(self._v1.checkout.sessions.list_async, asked):
            for found in page:
                if _metadata(found).get("command") == str(command):
                    return _session(found)
        return None

    async def find_refund_of(self, command: uuid.UUID, intent_id: str) -> str | None:
        """Return the id of the refund that a command made of a payment, though its answer never came."""
        async for page in _pages(self._v1.refunds.list_async, {"payment_intent": intent_id}):
            for found in page:
                if _metadata(found).get("command") == str(command):
                    return str(found.id)
        return None

    # -------------------------------------------------------------- lists
    async def list_events(self, since: dt.datetime | None) -> AsyncIterator[list[tuple[str, str, str, dt.datetime]]]:
        """Yield pages of events, newest first: id, type, body, created at."""
        async for page in _pages(self._v1.events.list_async, _created(since)):
            yield [(e.id, e.type, json.dumps(e.to_dict()), _instant(e.created)) for e in page]

    async def list_movements(self, since: dt.datetime | None) -> AsyncIterator[list[Movement]]:
        """Yield pages of balance transactions, newest first."""
        async for page in _pages(
            self._v1.balance_transactions.list_async, {**_created(since), "expand": ["data.source"]}
        ):
            yield [_movement(each) for each in page]

    async def list_movements_in(self, payout_id: str) -> AsyncIterator[list[str]]:
        """Yield pages of ids of the balance transactions that an automatic payout paid out."""
        async for page in _pages(self._v1.balance_transactions.list_async, {"payout": payout_id}):
            yield [each.id for each in page]

    async def is_reconciled(self, payout_id: str) -> bool:
        """Tell whether Stripe made this payout by itself and says which transactions it paid out."""
        payout = await _answer(self._v1.payouts.retrieve_async(payout_id))
        return bool(payout.automatic) and payout.reconciliation_status == "completed"

    async def balance_minor(self, currency: str = "EUR") -> int:
        """Return what Stripe holds for us, available and pending."""
        balance = await _answer(self._v1.balance.retrieve_async())
        return sum(part.amount for part in (*balance.available, *balance.pending) if part.currency == currency.lower())


# ------------------------------------------------------------------ signatures
def verify(body: bytes, signature: str | None, now: dt.datetime) -> None:
    """Refuse a body that Stripe did not sign within five minutes of `now`, either way.

    Stripe's own check lets signatures from the future pass, so the time is checked here.
    """
    import stripe  # noqa: PLC0415 (as above)

    secret = settings().stripe_webhook_secret
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        raise Invalid("That is not signed by Stripe.") from None
    signed_at = next(int(part[2:]) for part in (signature or "").split(",") if part.startswith("t="))
    if abs(now.timestamp() - signed_at) > TOLERANCE_SECONDS:
        raise Invalid("That signature is not of the last five minutes.")


# ------------------------------------------------------------------ Stripe's words into ours
def _http_client(kind: type[stripe.HTTPXClient]) -> stripe.HTTPXClient:
    """Return a client that sends forms as `content`: stripe 16.1 still says `data`, of which httpx warns."""

    class Client(kind):  # type: ignore[misc, valid-type]
        def _get_request_args_kwargs(self, *asked: Any) -> list[Any]:  # noqa: ANN401 (whatever stripe hands over)
            positional, named = super()._get_request_args_kwargs(*asked)
            return [positional, {**named, "data": None, "content": named["data"] or None}]

    return Client(timeout=TIMEOUT_SECONDS)


async def _answer(call: Awaitable[Any]) -> Any:  # noqa: ANN401 (any of Stripe's objects)
    with _translated():
        return await call


async def _pages(call: Callable[..., Awaitable[Any]], parameters: dict[str, Any]) -> AsyncIterator[list[Any]]:
    after: dict[str, str] = {}
    while True:
        page = await _answer(call({"limit": PAGE, **parameters, **after}))
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
        if status in FINAL_STATUSES and not isinstance(error, stripe.RateLimitError):
            raise DecidedError(
                why, code=error.code, param=getattr(error, "param", None), is_absent=error.code == "resource_missing"
            ) from error
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        replayed = status >= OLDEST_STATUS_OF_A_CRASH and headers.get("idempotent-replayed") == "true"
        raise SilentError(why, is_replayed=replayed) from error


def _session(session: stripe.checkout.Session) -> Session:
    reference = session.client_reference_id or ""
    try:
        subject = uuid.UUID(reference)
    except ValueError:
        subject = None
    intent = getattr(session, "payment_intent", None)
    charge = getattr(intent, "latest_charge", None)
    return Session(
        id=session.id,
        subject=subject,
        command=_metadata(session).get("command"),
        status=session.status or "",
        is_paid=session.payment_status == "paid",
        url=getattr(session, "url", None),
        amount_minor=session.amount_total or 0,
        currency=(session.currency or "").upper(),
        intent_id=getattr(intent, "id", None),
        intent_status=getattr(intent, "status", None),
        charge_id=getattr(charge, "id", None),
        refunded_minor=getattr(charge, "amount_refunded", 0),
    )


def _movement(transaction: stripe.BalanceTransaction) -> Movement:
    source: Any = getattr(transaction, "source", None)
    source_id = source if isinstance(source, str) else getattr(source, "id", None)
    charge = source_id if getattr(source, "object", None) == "charge" else getattr(source, "charge", None)
    return Movement(
        id=transaction.id,
        category=transaction.reporting_category,
        amount_minor=transaction.amount,
        fee_minor=transaction.fee,
        net_minor=transaction.net,
        currency=transaction.currency.upper(),
        source_id=source_id,
        charge_id=charge if isinstance(charge, str) or charge is None else charge.id,
        status=transaction.status,
        created_at=_instant(transaction.created),
        available_on=_instant(transaction.available_on),
    )


def _metadata(thing: Any) -> dict[str, str]:  # noqa: ANN401 (any of Stripe's objects)
    metadata = getattr(thing, "metadata", None)
    return metadata.to_dict() if metadata else {}


def _created(since: dt.datetime | None) -> dict[str, Any]:
    return {"created": {"gte": _unix(since)}} if since else {}


def _unix(instant: dt.datetime) -> int:
    return int(instant.timestamp())


def _instant(unix: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(unix, dt.UTC)
