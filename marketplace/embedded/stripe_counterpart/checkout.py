"""Checkout Sessions: a hosted page where one thing is paid once, or never.

A session is open until it is paid (complete) or its time is over (expired). Fulfilment follows `payment_status`,
never the page's redirect: a debit or a bank transfer completes the session unpaid and is told days later.
"""

import stripe

from marketplace.embedded.stripe_counterpart.changes import merged_metadata
from marketplace.embedded.stripe_counterpart.contract import Json, blank, shown
from marketplace.embedded.stripe_counterpart.customers import create_customer
from marketplace.embedded.stripe_counterpart.events import emit
from marketplace.embedded.stripe_counterpart.payment_intents import (
    Confirmation,
    cancel,
    check_amount,
    confirm,
    create_payment_intent,
    fund_customer,
    method_types,
    played_method_options,
)
from marketplace.embedded.stripe_counterpart.payment_methods import create_payment_method
from marketplace.embedded.stripe_counterpart.refusals import Refused
from marketplace.embedded.stripe_counterpart.setup_intents import confirm_setup, create_setup_intent
from marketplace.embedded.stripe_counterpart.world import DAY, MINUTE, World

SHORTEST_LIFE, LONGEST_LIFE = 30 * MINUTE, DAY
_KEPT_FROM_REQUEST = (
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
_INTENT_DATA_PLAYED = (
    "capture_method",
    "description",
    "metadata",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_ON_THE_PAGE_NOBODY_ANSWERS = {"email": "payer@example.test", "name": "Local Payer"}


# ------------------------------------------------------------------ by the merchant
def create_session(world: World, params: Json) -> Json:
    """Open a session with its page; refuse what Stripe would refuse before anyone sees it."""
    mode = params.get("mode", "payment")
    if mode == "subscription":
        raise Refused(400, "The local counterpart does not play subscriptions.", param="mode")
    if not params.get("success_url"):
        raise Refused(400, "Missing required param: success_url.", code="parameter_missing", param="success_url")
    unplayed = set(params.get("payment_intent_data", {})) - set(_INTENT_DATA_PLAYED)
    if unplayed:
        raise Refused(400, f"The local counterpart does not play payment_intent_data: {', '.join(sorted(unplayed))}.")
    if params.get("customer"):
        world.get("customer", params["customer"], "customer")
    session = world.add(
        "checkout.session",
        adaptive_pricing={"enabled": False},
        expires_at=_expiry(world, params),
        mode=mode,
        payment_method_collection="if_required" if mode == "payment" else "always",
        payment_method_types=method_types(params),
        payment_status="unpaid" if mode == "payment" else "no_payment_required",
        status="open",
        ui_mode="hosted_page",
        _intent_data=params.get("payment_intent_data", {}),
        _setup_data=params.get("setup_intent_data", {}),
    )
    session.update({name: params[name] for name in _KEPT_FROM_REQUEST if name in params})
    if mode == "payment":
        session["customer_creation"] = None if session["customer"] else params.get("customer_creation", "if_required")
        _add_lines(world, session, params)
    else:
        session["currency"] = params.get("currency")
    if "customer_balance" in session["payment_method_types"] and not session["customer"]:
        raise Refused(400, "Bank transfers need a customer.", code="parameter_missing", param="customer")
    if "payment_method_options" in params:
        session["payment_method_options"] = played_method_options(params["payment_method_options"])
    world.set_alarm(session["expires_at"], "expire_session", session["id"])
    return with_url(world, session)


def _expiry(world: World, params: Json) -> int:
    now = world.now()
    expires_at: int = params.get("expires_at", now + LONGEST_LIFE)
    if not now + SHORTEST_LIFE <= expires_at <= now + LONGEST_LIFE:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."
        raise Refused(400, message, param="expires_at")
    return expires_at


def _add_lines(world: World, session: Json, params: Json) -> None:
    """Write what is to be paid, line by line, and its total."""
    lines = params.get("line_items", [])
    if not lines:
        message = "You must specify at least one line item in `payment` mode."
        raise Refused(400, message, code="parameter_missing", param="line_items")
    currencies = {_price_data(line, index)["currency"].lower() for index, line in enumerate(lines)}
    if len(currencies) > 1:
        raise Refused(400, "All line items must have the same currency.", param="line_items")
    currency = currencies.pop()
    items = [_add_line(world, session, line, index) for index, line in enumerate(lines)]
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
        raise Refused(400, message, code="parameter_missing", param=f"line_items[{index}][price_data]")
    price: Json = line["price_data"]
    return price


def _add_line(world: World, session: Json, line: Json, index: int) -> Json:
    sent = _price_data(line, index)
    place = f"line_items[{index}]"
    if "product_data" not in sent or "unit_amount" not in sent:
        message = "The local counterpart needs `product_data` and `unit_amount` in `price_data`."
        raise Refused(400, message, code="parameter_missing", param=f"{place}[price_data]")
    if "quantity" not in line:
        raise Refused(400, "Quantity is required.", code="parameter_missing", param=f"{place}[quantity]")
    if sent["unit_amount"] < 0 or line["quantity"] < 1:
        raise Refused(400, "Invalid non-negative integer", code="parameter_invalid_integer", param=place)
    if "tax_rates" in line or "adjustable_quantity" in line:
        message = "The local counterpart plays neither tax rates nor adjustable quantities."
        raise Refused(400, message, param=place)
    price = blank(stripe.Price)
    price.update(
        id=f"price_{world.new_token()}",
        billing_scheme="per_unit",
        created=world.now(),
        currency=sent["currency"].lower(),
        product=f"prod_{world.new_token()}",
        tax_behavior=sent.get("tax_behavior", "unspecified"),
        type="one_time",
        unit_amount=sent["unit_amount"],
        unit_amount_decimal=str(sent["unit_amount"]),
    )
    amount = sent["unit_amount"] * line["quantity"]
    return world.add(
        "item",
        amount_subtotal=amount,
        amount_total=amount,
        currency=price["currency"],
        description=sent["product_data"]["name"],
        metadata=line.get("metadata", {}),
        price=shown(price),
        quantity=line["quantity"],
        _details=sent["product_data"].get("description"),
        _session=session["id"],
    )


def lines_of(world: World, session: Json) -> list[Json]:
    """Return what a session is about, line by line."""
    return world.select("item", "json_extract(body, '$._session') = ? ORDER BY sequence", (session["id"],))


def with_url(world: World, session: Json) -> Json:
    """Give an open session the address of its page, at the address by which the counterpart was reached."""
    session["url"] = f"{world.origin.base}/c/pay/{session['id']}" if session["status"] == "open" else None
    return session


def update_session(session: Json, params: Json) -> Json:
    """Change a session's metadata."""
    session["metadata"] = merged_metadata(session["metadata"], params.get("metadata", {}))
    return session


def expire_session(world: World, session: Json) -> Json:
    """Close an open session for good, with whatever payment was begun in it."""
    if session["status"] != "open":
        message = (
            'Only Checkout Sessions with a status in ["open"] can be expired.'
            f" This Checkout Session has a status of {session['status']}."
        )
        raise Refused(400, message)
    session.update(status="expired", url=None)
    if session["payment_intent"]:
        cancel(world, world.get("payment_intent", session["payment_intent"]), "abandoned")
    emit(world, "checkout.session.expired", session)
    return session


def expire_if_due(world: World, session_id: str) -> None:
    """Expire a session whose time is over, unless it was paid or expired before."""
    session = world.get("checkout.session", session_id)
    if session["status"] == "open":
        expire_session(world, session)


# ------------------------------------------------------------------ by the payer
def pay_session(world: World, session: Json, method: Json) -> Json:
    """Pay an open session with a payment method described as in `POST /v1/payment_methods`.

    Paying a complete session changes nothing: a double click pays once. The payer may have to authenticate first; the
    session then stays open.
    """
    if session["status"] == "complete":
        return session
    if session["status"] == "expired":
        raise Refused(400, "This Checkout Session has expired.")
    payer = {"name": _ON_THE_PAGE_NOBODY_ANSWERS["name"], "email": _payer_email(world, session)}
    made = create_payment_method(world, {**method, "billing_details": payer})
    if session["mode"] == "setup":
        return _complete_setup(world, session, made)
    intent = _intent_of(world, session)
    intent["payment_method"] = made["id"]
    return_url = f"{world.origin.base}/c/pay/{session['id']}"
    confirm(world, intent, Confirmation(return_url=return_url))
    if made["type"] == "customer_balance" and intent["status"] == "requires_action":
        return _complete(world, session)
    return complete_if_paid(world, session, intent)


def _payer_email(world: World, session: Json) -> str:
    customer = world.find(session["customer"]) if session["customer"] else None
    known = session["customer_email"] or (customer["email"] if customer else None)
    return str(known or _ON_THE_PAGE_NOBODY_ANSWERS["email"])


def _intent_of(world: World, session: Json) -> Json:
    """Return the session's payment intent, made at the first attempt to pay."""
    if session["payment_intent"]:
        return world.get("payment_intent", session["payment_intent"])
    if session["customer_creation"] == "always":
        session["customer"] = create_customer(world, {"email": _payer_email(world, session)})["id"]
    asked = {"amount": session["amount_total"], "currency": session["currency"], **session["_intent_data"]}
    if session["customer"]:
        asked["customer"] = session["customer"]
    asked["allowed_payment_method_types"] = session["payment_method_types"]
    if session["payment_method_options"]:
        asked["payment_method_options"] = session["payment_method_options"]
    intent = create_payment_intent(world, asked)
    session["payment_intent"] = intent["id"]
    return intent


def complete_if_paid(world: World, session: Json, intent: Json) -> Json:
    """Complete an open session once its payment is made or on its way."""
    if session["status"] != "open" or intent["status"] not in ("succeeded", "processing", "requires_capture"):
        return session
    session["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"
    return _complete(world, session)


def _complete_setup(world: World, session: Json, method: Json) -> Json:
    asked = {"customer": session["customer"], "usage": "off_session", **session["_setup_data"]}
    intent = create_setup_intent(world, {name: value for name, value in asked.items() if value is not None})
    session["setup_intent"] = intent["id"]
    confirm_setup(world, intent, {"payment_method": method["id"]})
    return _complete(world, session)


def _complete(world: World, session: Json) -> Json:
    details = blank(stripe.checkout.Session.CustomerDetails)
    details.update(
        email=_payer_email(world, session), name=_ON_THE_PAGE_NOBODY_ANSWERS["name"], tax_exempt="none", tax_ids=[]
    )
    session.update(status="complete", url=None, customer_details=details)
    emit(world, "checkout.session.completed", session)
    return session


def session_of_intent(world: World, intent_id: str) -> Json | None:
    """Return the session that an intent pays, if any."""
    found = world.select("checkout.session", "json_extract(body, '$.payment_intent') = ?", (intent_id,), limit=1)
    return found[0] if found else None


def receive_funds(world: World, customer: Json, params: Json) -> Json:
    """Receive a customer's bank transfer, and tell the sessions that it pays."""
    transaction, paid = fund_customer(world, customer, params)
    for intent in paid:
        tell_settlement(world, intent)
    return transaction


def tell_settlement(world: World, intent: Json) -> None:
    """Tell a complete session that the bank has answered."""
    session = session_of_intent(world, intent["id"])
    if session is None or session["status"] != "complete" or session["payment_status"] == "paid":
        return
    if intent["status"] == "succeeded":
        session["payment_status"] = "paid"
        emit(world, "checkout.session.async_payment_succeeded", session)
    else:
        emit(world, "checkout.session.async_payment_failed", session)
