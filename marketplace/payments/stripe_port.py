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
from marketplace.payments.rules import DisputeStatus, Movement, PaymentStatus, SavedMethodStatus
from marketplace.settings import settings
from pricing.money import EUR

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
METHOD = "setup_intent.payment_method"


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


class DeclinedError(DecidedError):
    """The bank refused the payer's card, or wants the payer to be there."""

    def __init__(self, why: str, *, code: str | None, intent: PaymentStatus) -> None:
        """Keep Stripe's sentence, the bank's code and the payment as it is now."""
        super().__init__(why, code=code, param=None, is_absent=False)
        self.intent = intent


class StripePort:
    """Stripe, for as long as one worker needs it (`async with`)."""

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
        return str((await _answer(self._v1.customers.create_async(asked, {"idempotency_key": key}))).id)

    async def create_account(self, parameters: dict[str, Any], key: str) -> str:
        """Make a connected account and return its id."""
        asked: Any = parameters
        return str((await _answer(self._v1.accounts.create_async(asked, {"idempotency_key": key}))).id)

    async def open_onboarding(self, account_id: str, *, return_url: str) -> str:
        """Return the page, good for minutes, where a connected account's owner says who they are."""
        asked: Any = {
            "account": account_id,
            "type": "account_onboarding",
            "return_url": return_url,
            "refresh_url": return_url,
        }
        return str((await _answer(self._v1.account_links.create_async(asked))).url)

    async def can_receive_transfers(self, account_id: str) -> bool:
        """Return whether a connected account can be paid."""
        account = await _answer(self._v1.accounts.retrieve_async(account_id))
        return getattr(account.capabilities, "transfers", None) == "active"

    async def transfer(self, parameters: dict[str, Any], key: str) -> str:
        """Move money to a connected account and return the transfer's id."""
        asked: Any = parameters
        return str((await _answer(self._v1.transfers.create_async(asked, {"idempotency_key": key}))).id)

    async def find_transfer_of(self, command: uuid.UUID, group: str) -> str | None:
        """Return the id of the transfer that a command made in this group, though its answer never came."""
        found = await _made_by(command, self._v1.transfers.list_async, {"transfer_group": group})
        return str(found.id) if found else None

    async def create_session(self, parameters: dict[str, Any], key: str) -> PaymentStatus:
        """Open a hosted page where something is paid."""
        asked: Any = {**parameters, "expand": [PAYMENT]}
        return _session(await _answer(self._v1.checkout.sessions.create_async(asked, {"idempotency_key": key})))

    async def create_setup(self, parameters: dict[str, Any], key: str) -> SavedMethodStatus:
        """Open a hosted page where a payment method is saved for later."""
        asked: Any = {**parameters, "expand": [METHOD]}
        return _saved_method(await _answer(self._v1.checkout.sessions.create_async(asked, {"idempotency_key": key})))

    async def expire_session(self, session_id: str, key: str) -> PaymentStatus:
        """Close a hosted page for good; refused when it is not open."""
        sessions = self._v1.checkout.sessions
        return _session(
            await _answer(sessions.expire_async(session_id, {"expand": [PAYMENT]}, {"idempotency_key": key}))
        )

    async def charge(self, parameters: dict[str, Any], key: str) -> PaymentStatus:
        """Charge a saved method off session; a decline is refused with what it left behind."""
        asked: Any = {**parameters, "expand": ["latest_charge"]}
        return _intent(await _answer(self._v1.payment_intents.create_async(asked, {"idempotency_key": key})))

    async def capture(self, intent_id: str, amount_minor: int, key: str) -> PaymentStatus:
        """Take an authorised amount, or a part of it; refused when it is not authorised any more."""
        asked: Any = {"amount_to_capture": amount_minor, "expand": ["latest_charge"]}
        options: Any = {"idempotency_key": key}
        return _intent(await _answer(self._v1.payment_intents.capture_async(intent_id, asked, options)))

    async def cancel(self, intent_id: str, key: str) -> PaymentStatus:
        """Give a payment up that is not made; refused when it is, and when it was given up before."""
        options: Any = {"idempotency_key": key}
        return _intent(
            await _answer(self._v1.payment_intents.cancel_async(intent_id, {"expand": ["latest_charge"]}, options))
        )

    async def refund(self, parameters: dict[str, Any], key: str) -> str:
        """Give money back and return the refund's id."""
        asked: Any = parameters
        return str((await _answer(self._v1.refunds.create_async(asked, {"idempotency_key": key}))).id)

    async def detach(self, method_id: str, key: str) -> None:
        """Forget a saved method at Stripe; refused when it was before."""
        await _answer(self._v1.payment_methods.detach_async(method_id, {}, {"idempotency_key": key}))

    # -------------------------------------------------------------- objects read
    async def get_session(self, session_id: str) -> PaymentStatus:
        """Return a session as it is now."""
        return _session(await _answer(self._v1.checkout.sessions.retrieve_async(session_id, {"expand": [PAYMENT]})))

    async def get_setup(self, session_id: str) -> SavedMethodStatus:
        """Return a page where a payment method is saved, as it is now."""
        return _saved_method(await _answer(self._v1.checkout.sessions.retrieve_async(session_id, {"expand": [METHOD]})))

    async def get_intent(self, intent_id: str) -> PaymentStatus:
        """Return a payment as it is now, on any page or none."""
        return _intent(await _answer(self._v1.payment_intents.retrieve_async(intent_id, {"expand": ["latest_charge"]})))

    async def get_dispute(self, dispute_id: str) -> DisputeStatus:
        """Return a dispute as it is now."""
        return _dispute(await _answer(self._v1.disputes.retrieve_async(dispute_id)))

    async def is_attached(self, method_id: str) -> bool:
        """Return whether a payment method still belongs to a customer."""
        return bool((await _answer(self._v1.payment_methods.retrieve_async(method_id))).customer)

    async def list_sessions_of(self, intent_id: str) -> list[PaymentStatus]:
        """Return the sessions that a payment intent pays: one, or none when it was not made by a hosted page."""
        asked: Any = {"payment_intent": intent_id, "expand": [f"data.{PAYMENT}"]}
        return [_session(found) for found in (await _answer(self._v1.checkout.sessions.list_async(asked))).data]

    # -------------------------------------------------------------- what a command did, though its answer never came
    async def find_session_of(self, command: uuid.UUID, since: dt.datetime) -> PaymentStatus | None:
        """Return the page that a command opened since then."""
        asked = {"created": {"gte": _unix(since)}, "expand": [f"data.{PAYMENT}"]}
        found = await _made_by(command, self._v1.checkout.sessions.list_async, asked)
        return _session(found) if found else None

    async def find_setup_of(self, command: uuid.UUID, since: dt.datetime) -> SavedMethodStatus | None:
        """Return the page for saving a method that a command opened since then."""
        asked = {"created": {"gte": _unix(since)}, "expand": [f"data.{METHOD}"]}
        found = await _made_by(command, self._v1.checkout.sessions.list_async, asked)
        return _saved_method(found) if found else None

    async def find_intent_of(self, command: uuid.UUID, customer: str, since: dt.datetime) -> PaymentStatus | None:
        """Return the charge that a command tried on a customer since then."""
        asked = {"customer": customer, "created": {"gte": _unix(since)}, "expand": ["data.latest_charge"]}
        found = await _made_by(command, self._v1.payment_intents.list_async, asked)
        return _intent(found) if found else None

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
        """Return whether Stripe made this payout by itself and lists the transactions it paid out."""
        payout = await _answer(self._v1.payouts.retrieve_async(payout_id))
        return bool(payout.automatic) and payout.reconciliation_status == "completed"

    async def balance_minor(self, currency: str = EUR) -> int:
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
    except (stripe.SignatureVerificationError, ValueError):
        raise Invalid(
            "That is not signed by Stripe."
        ) from None  # ValueError: a header like `t=1=2`, or a body not UTF-8
    times = [part[2:] for part in (signature or "").split(",") if part.startswith("t=")]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdecimal():
        raise Invalid("That is not signed by Stripe.")
    if abs(now.timestamp() - int(times[0])) > TOLERANCE_SECONDS:
        raise Invalid("That signature is not of the last five minutes.")


# ------------------------------------------------------------------ Stripe's words into ours
def _http_client(kind: type[stripe.HTTPXClient]) -> stripe.HTTPXClient:
    """Return a client that sends forms as `content`: stripe 16.1 still says `data`, of which httpx warns."""

    class Client(kind):  # type: ignore[misc, valid-type]
        def _get_request_args_kwargs(self, *asked: Any) -> list[Any]:  # noqa: ANN401 (stripe's own arguments)
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
            failed = getattr(error.error, "payment_intent", None) if isinstance(error, stripe.CardError) else None
            if failed is not None:
                raise DeclinedError(why, code=error.code, intent=_intent(failed)) from error
            raise DecidedError(
                why, code=error.code, param=getattr(error, "param", None), is_absent=error.code == "resource_missing"
            ) from error
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        replayed = status >= OLDEST_STATUS_OF_A_CRASH and headers.get("idempotent-replayed") == "true"
        raise SilentError(why, is_replayed=replayed) from error


def _session(session: stripe.checkout.Session) -> PaymentStatus:
    return PaymentStatus(
        subject=_uuid(session.client_reference_id),
        session_id=session.id,
        session_status=session.status or "",
        url=getattr(session, "url", None),
        amount_minor=session.amount_total or 0,
        currency=(session.currency or "").upper(),
        is_paid=session.payment_status == "paid",
        **_payment(getattr(session, "payment_intent", None)),
    )


def _intent(intent: stripe.PaymentIntent) -> PaymentStatus:
    return PaymentStatus(
        subject=_uuid(_metadata(intent).get("subject")),
        amount_minor=intent.amount,
        currency=intent.currency.upper(),
        is_paid=intent.status == "succeeded",
        **_payment(intent),
    )


def _payment(intent: Any) -> dict[str, Any]:  # noqa: ANN401 (a payment intent, or None before the first attempt)
    """Return what a payment intent adds to a payment's status; nothing for the lack of one."""
    if intent is None or isinstance(intent, str):
        return {"intent_id": intent}
    charge = getattr(intent, "latest_charge", None)
    refusal = getattr(intent, "last_payment_error", None)
    known = {
        "intent_id": intent.id,
        "intent_status": intent.status,
        "is_manual": intent.capture_method == "manual",
        "refusal": getattr(refusal, "decline_code", None) or getattr(refusal, "code", None),
        "transfer": _transfer(intent),
    }
    if charge is None or isinstance(charge, str):
        return known
    details = getattr(charge, "payment_method_details", None)
    before = getattr(getattr(details, "card", None), "capture_before", None)
    uncaptured = charge.amount - charge.amount_captured if charge.captured else 0
    return known | {
        "charge_id": charge.id,
        "is_authorised": charge.status == "succeeded",
        "method": getattr(details, "type", None),
        "received_minor": charge.amount_captured if charge.status == "succeeded" else 0,
        "refunded_minor": max(0, charge.amount_refunded - uncaptured) if charge.captured else 0,
        "capture_before": _instant(before) if before else None,
    }


def _transfer(intent: stripe.PaymentIntent) -> dict[str, Any] | None:
    """Return where a bank transfer that is awaited is to be sent."""
    shown: Any = getattr(getattr(intent, "next_action", None), "display_bank_transfer_instructions", None)
    if shown is None:
        return None
    ibans = [iban for each in shown.financial_addresses or [] if (iban := getattr(each, "iban", None))]
    iban = ibans[0] if ibans else None
    return {
        "iban": getattr(iban, "iban", ""),
        "bic": getattr(iban, "bic", ""),
        "name": getattr(iban, "account_holder_name", ""),
        "reference": shown.reference or "",
        "remaining_minor": shown.amount_remaining or 0,
        "url": shown.hosted_instructions_url or "",
    }


def _saved_method(session: stripe.checkout.Session) -> SavedMethodStatus:
    intent: Any = getattr(session, "setup_intent", None)
    method: Any = getattr(intent, "payment_method", None)
    kind = getattr(method, "type", None)
    details: Any = getattr(method, kind, None) if kind else None
    month, year = getattr(details, "exp_month", None), getattr(details, "exp_year", None)
    return SavedMethodStatus(
        id=_uuid(session.client_reference_id),
        session_id=session.id,
        session_status=session.status or "",
        url=getattr(session, "url", None),
        is_saved=getattr(intent, "status", None) == "succeeded",
        method_id=getattr(method, "id", None),
        kind=kind,
        brand=getattr(details, "brand", None),
        last_four=getattr(details, "last4", None),
        ends_on=dt.date(year + month // 12, month % 12 + 1, 1) if month and year else None,
    )


def _dispute(dispute: stripe.Dispute) -> DisputeStatus:
    due = getattr(dispute.evidence_details, "due_by", None)
    intent = getattr(dispute, "payment_intent", None)
    return DisputeStatus(
        id=dispute.id,
        charge_id=dispute.charge if isinstance(dispute.charge, str) else dispute.charge.id,
        intent_id=intent if isinstance(intent, str) or intent is None else intent.id,
        amount_minor=dispute.amount,
        currency=dispute.currency.upper(),
        reason=dispute.reason,
        status=dispute.status,
        opened_at=_instant(dispute.created),
        due_at=_instant(due) if due else None,
    )


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None


async def _made_by(command: uuid.UUID, listing: Callable[..., Awaitable[Any]], asked: dict[str, Any]) -> Any | None:  # noqa: ANN401 (any of Stripe's objects)
    """Return the one object of a list that bears a command's id."""
    async for page in _pages(listing, asked):
        for found in page:
            if _metadata(found).get("command") == str(command):
                return found
    return None


def _movement(transaction: stripe.BalanceTransaction) -> Movement:
    source: Any = getattr(transaction, "source", None)
    source_id = source if isinstance(source, str) else getattr(source, "id", None)
    is_charge = getattr(source, "object", None) == "charge"
    charge = source_id if is_charge else getattr(source, "charge", None) or getattr(source, "transfer", None)
    is_attempt = is_charge and source.status != "succeeded"
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
        subject=_uuid(_metadata(source).get("subject")) if is_attempt else None,
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
