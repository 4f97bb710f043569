"""Checkout Sessions: a hosted page where one order is paid at most once.

A session is open until it is complete or expired. Fulfilment follows `payment_status`, never the page's redirect: a
debit or a bank transfer completes the session unpaid, and its payment succeeds or fails days later.
"""

import stripe

from marketplace.demo.stripe_counterpart.customers import create_customer
from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.payment_intents import (
    Confirmation,
    cancel,
    check_amount,
    confirm,
    create_payment_intent,
    fund_customer,
    method_types,
    supported_method_options,
)
from marketplace.demo.stripe_counterpart.payment_methods import create_payment_method
from marketplace.demo.stripe_counterpart.responses import blank, to_public
from marketplace.demo.stripe_counterpart.setup_intents import confirm_setup, create_setup_intent
from marketplace.demo.stripe_counterpart.state import DAY, MINUTE, StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json
from marketplace.demo.stripe_counterpart.updates import merge_metadata

MIN_LIFE, MAX_LIFE = 30 * MINUTE, DAY
_COPIED_FROM_REQUEST = (
    "allowed_payment_method_types",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_creation",
    "customer_email",
    "excluded_payment_method_types",
    "locale",
    "metadata",
    "submit_type",
    "success_url",
)
_SUPPORTED_INTENT_DATA = (
    "capture_method",
    "description",
    "metadata",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_DEFAULT_PAYER = {"email": "payer@example.test", "name": "Local Payer"}


# ------------------------------------------------------------------ by the merchant
def create_session(state: StripeState, params: Json) -> Json:
    """Open a session with its page; refuse what Stripe would refuse."""
    mode = params.get("mode", "payment")
    if mode == "subscription":
        raise ApiError(400, "The local counterpart does not support subscriptions.", param="mode")
    if not params.get("success_url"):
        raise ApiError(400, "Missing required param: success_url.", code="parameter_missing", param="success_url")
    unsupported = set(params.get("payment_intent_data", {})) - set(_SUPPORTED_INTENT_DATA)
    if unsupported:
        raise ApiError(
            400, f"The local counterpart does not support payment_intent_data: {', '.join(sorted(unsupported))}."
        )
    if params.get("customer"):
        state.get("customer", params["customer"], "customer")
    session = state.add(
        "checkout.session",
        adaptive_pricing={"enabled": False},
        expires_at=_expiry(state, params),
        mode=mode,
        payment_method_collection="if_required" if mode == "payment" else "always",
        payment_method_types=method_types(params),
        payment_status="unpaid" if mode == "payment" else "no_payment_required",
        status="open",
        ui_mode="hosted_page",
        _intent_data=params.get("payment_intent_data", {}),
        _setup_data=params.get("setup_intent_data", {}),
    )
    session.update({name: params[name] for name in _COPIED_FROM_REQUEST if name in params})
    if mode == "payment":
        session["customer_creation"] = None if session["customer"] else params.get("customer_creation", "if_required")
        _add_lines(state, session, params)
    else:
        session["currency"] = params.get("currency")
    if "customer_balance" in session["payment_method_types"] and not session["customer"]:
        raise ApiError(400, "Bank transfers need a customer.", code="parameter_missing", param="customer")
    if "payment_method_options" in params:
        session["payment_method_options"] = supported_method_options(params["payment_method_options"])
    state.schedule(session["expires_at"], "expire_session", session["id"])
    return with_url(state, session)


def _expiry(state: StripeState, params: Json) -> int:
    now = state.now()
    expires_at: int = params.get("expires_at", now + MAX_LIFE)
    if not now + MIN_LIFE <= expires_at <= now + MAX_LIFE:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."
        raise ApiError(400, message, param="expires_at")
    return expires_at


def _add_lines(state: StripeState, session: Json, params: Json) -> None:
    """Add the line items and their total."""
    lines = params.get("line_items", [])
    if not lines:
        message = "You must specify at least one line item in `payment` mode."
        raise ApiError(400, message, code="parameter_missing", param="line_items")
    currencies = {_price_data(line, index)["currency"].lower() for index, line in enumerate(lines)}
    if len(currencies) > 1:
        raise ApiError(400, "All line items must have the same currency.", param="line_items")
    currency = currencies.pop()
    items = [_add_line(state, session, line, index) for index, line in enumerate(lines)]
    total = sum(item["amount_total"] for item in items)
    check_amount(total, currency, "line_items")
    session.update(
        amount_subtotal=total,
        amount_total=total,
        currency=currency,
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    )


def _price_data(line: Json, index: int) -> Json:
    if "price_data" not in line:
        message = "The local counterpart keeps no catalogue of prices: send `price_data`."
        raise ApiError(400, message, code="parameter_missing", param=f"line_items[{index}][price_data]")
    price: Json = line["price_data"]
    return price


def _add_line(state: StripeState, session: Json, line: Json, index: int) -> Json:
    sent = _price_data(line, index)
    place = f"line_items[{index}]"
    if "product_data" not in sent or "unit_amount" not in sent:
        message = "The local counterpart needs `product_data` and `unit_amount` in `price_data`."
        raise ApiError(400, message, code="parameter_missing", param=f"{place}[price_data]")
    if "quantity" not in line:
        raise ApiError(400, "Quantity is required.", code="parameter_missing", param=f"{place}[quantity]")
    if sent["unit_amount"] < 0 or line["quantity"] < 1:
        raise ApiError(400, "Invalid non-negative integer", code="parameter_invalid_integer", param=place)
    if "tax_rates" in line or "adjustable_quantity" in line:
        message = "The local counterpart supports neither tax rates nor adjustable quantities."
        raise ApiError(400, message, param=place)
    price = blank(stripe.Price)
    price.update(
        id=f"price_{state.new_token()}",
        billing_scheme="per_unit",
        created=state.now(),
        currency=sent["currency"].lower(),
        product=f"prod_{state.new_token()}",
        tax_behavior=sent.get("tax_behavior", "unspecified"),
        type="one_time",
        unit_amount=sent["unit_amount"],
        unit_amount_decimal=str(sent["unit_amount"]),
    )
    amount = sent["unit_amount"] * line["quantity"]
    return state.add(
        "item",
        amount_subtotal=amount,
        amount_total=amount,
        currency=price["currency"],
        description=sent["product_data"]["name"],
        metadata=line.get("metadata", {}),
        price=to_public(price),
        quantity=line["quantity"],
        _details=sent["product_data"].get("description"),
        _session=session["id"],
    )


def lines_of(state: StripeState, session: Json) -> list[Json]:
    """Return the line items of a session."""
    return state.select("item", "json_extract(body, '$._session') = ? ORDER BY sequence", (session["id"],))


def with_url(state: StripeState, session: Json) -> Json:
    """Set the address of an open session's page, under the address at which the counterpart was reached."""
    session["url"] = f"{state.origin.base}/c/pay/{session['id']}" if session["status"] == "open" else None
    return session


def update_session(session: Json, params: Json) -> Json:
    """Change a session's metadata."""
    session["metadata"] = merge_metadata(session["metadata"], params.get("metadata", {}))
    return session


def expire_session(state: StripeState, session: Json) -> Json:
    """Expire an open session and cancel its payment intent, if any."""
    if session["status"] != "open":
        message = (
            'Only Checkout Sessions with a status in ["open"] can be expired.'
            f" This Checkout Session has a status of {session['status']}."
        )
        raise ApiError(400, message)
    session.update(status="expired", url=None)
    if session["payment_intent"]:
        cancel(state, state.get("payment_intent", session["payment_intent"]), "abandoned")
    emit(state, "checkout.session.expired", session)
    return session


def expire_if_due(state: StripeState, session_id: str) -> None:
    """Expire a session if it is still open."""
    session = state.get("checkout.session", session_id)
    if session["status"] == "open":
        expire_session(state, session)


# ------------------------------------------------------------------ by the payer
def pay_session(state: StripeState, session: Json, method: Json) -> Json:
    """Pay an open session with a payment method described as in `POST /v1/payment_methods`.

    Paying a complete session changes nothing: a double click pays once. The payer may have to authenticate first; the
    session then stays open.
    """
    if session["status"] == "complete":
        return session
    if session["status"] == "expired":
        raise ApiError(400, "This Checkout Session has expired.")
    payer = {"name": _DEFAULT_PAYER["name"], "email": _payer_email(state, session)}
    made = create_payment_method(state, {**method, "billing_details": payer})
    if session["mode"] == "setup":
        return _complete_setup(state, session, made)
    intent = _intent_of(state, session)
    intent["payment_method"] = made["id"]
    return_url = f"{state.origin.base}/c/pay/{session['id']}"
    confirm(state, intent, Confirmation(return_url=return_url))
    if made["type"] == "customer_balance" and intent["status"] == "requires_action":
        return _complete(state, session)
    return complete_if_paid(state, session, intent)


def _payer_email(state: StripeState, session: Json) -> str:
    customer = state.find(session["customer"]) if session["customer"] else None
    known = session["customer_email"] or (customer["email"] if customer else None)
    return str(known or _DEFAULT_PAYER["email"])


def _intent_of(state: StripeState, session: Json) -> Json:
    """Return the session's payment intent, created at the first attempt to pay."""
    if session["payment_intent"]:
        return state.get("payment_intent", session["payment_intent"])
    if session["customer_creation"] == "always":
        session["customer"] = create_customer(state, {"email": _payer_email(state, session)})["id"]
    intent_params = {"amount": session["amount_total"], "currency": session["currency"], **session["_intent_data"]}
    if session["customer"]:
        intent_params["customer"] = session["customer"]
    intent_params["allowed_payment_method_types"] = session["payment_method_types"]
    if session["payment_method_options"]:
        intent_params["payment_method_options"] = session["payment_method_options"]
    intent = create_payment_intent(state, intent_params)
    session["payment_intent"] = intent["id"]
    return intent


def complete_if_paid(state: StripeState, session: Json, intent: Json) -> Json:
    """Complete an open session whose payment succeeded, is processing or is authorised."""
    if session["status"] != "open" or intent["status"] not in ("succeeded", "processing", "requires_capture"):
        return session
    session["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"
    return _complete(state, session)


def _complete_setup(state: StripeState, session: Json, method: Json) -> Json:
    intent_params = {"customer": session["customer"], "usage": "off_session", **session["_setup_data"]}
    intent = create_setup_intent(state, {name: value for name, value in intent_params.items() if value is not None})
    session["setup_intent"] = intent["id"]
    confirm_setup(state, intent, {"payment_method": method["id"]})
    return _complete(state, session)


def _complete(state: StripeState, session: Json) -> Json:
    details = blank(stripe.checkout.Session.CustomerDetails)
    details.update(email=_payer_email(state, session), name=_DEFAULT_PAYER["name"], tax_exempt="none", tax_ids=[])
    session.update(status="complete", url=None, customer_details=details)
    emit(state, "checkout.session.completed", session)
    return session


def session_of_intent(state: StripeState, intent_id: str) -> Json | None:
    """Return the session that an intent pays, if any."""
    found = state.select("checkout.session", "json_extract(body, '$.payment_intent') = ?", (intent_id,), limit=1)
    return found[0] if found else None


def receive_funds(state: StripeState, customer: Json, params: Json) -> Json:
    """Receive a customer's bank transfer, and record it in the sessions that it pays."""
    transaction, paid = fund_customer(state, customer, params)
    for intent in paid:
        record_settlement(state, intent)
    return transaction


def record_settlement(state: StripeState, intent: Json) -> None:
    """Record in a complete session how its payment ended."""
    session = session_of_intent(state, intent["id"])
    if session is None or session["status"] != "complete" or session["payment_status"] == "paid":
        return
    if intent["status"] == "succeeded":
        session["payment_status"] = "paid"
        emit(state, "checkout.session.async_payment_succeeded", session)
    else:
        emit(state, "checkout.session.async_payment_failed", session)
