"""The responses of a call: skeletons of documented objects, how they are shown, and how they differ from their type.

A response that differs from the documented type is a fault of the counterpart; every difference is named.
"""

import copy
import decimal
import functools
from typing import Any, Literal, Never, get_args, get_origin

import stripe
from stripe._list_object import ListObject
from stripe._stripe_object import StripeObject, UntypedStripeObject

from marketplace.demo.stripe_counterpart.stripe_types import Json, alternatives, fields_of, is_nullable

# Fields that Stripe leaves out when they have no value, where the types cannot distinguish "absent" from "null".
_LEFT_OUT: dict[str, frozenset[str]] = {
    kind: frozenset(names.split())
    for kind, names in {
        "payment_intent": "amount_details hooks payment_details presentment_details",
        "setup_intent": "attach_to_self",
        "charge": "presentment_details radar_options refunds transfer",
        "refund": "description destination_details failure_balance_transaction failure_reason instructions_email"
        " next_action pending_reason presentment_details",
        "dispute": "payment_method_details",
        "transfer": "destination_payment source_type",
        "event": "account context",
        "customer": "business_name cash_balance deleted individual_name invoice_credit_balance sources subscriptions"
        " tax tax_ids",
        "checkout.session": "branding_settings excluded_payment_method_types line_items name_collection"
        " phone_number_collection presentment_details redirect_on_completion return_url tax_id_collection",
        "account": "capabilities company controller external_accounts future_requirements groups individual"
        " requirements tos_acceptance deleted",
        "webhook_endpoint": "secret deleted",
        "customer_cash_balance_transaction": "adjusted_for_overdraft applied_to_payment funded refunded_from_payment"
        " transferred_to_balance unapplied_from_payment",
        "mandate": "multi_use on_behalf_of single_use",
        "balance": "connect_reserved instant_available issuing refund_and_dispute_prefunding",
        "price": "currency_options deleted tiers",
        "item": "discounts taxes",
        "payment_method": "*",
    }.items()
}
_NULL_IN_PAYMENT_METHOD = frozenset({"customer", "customer_account", "metadata"})


class ContractError(AssertionError):
    """Raised for an object of ours that the installed package does not document; never the caller's fault."""


def blank(resource: type) -> Json:
    """Return a response skeleton with every documented field: null where allowed, else the type's empty value."""
    return copy.deepcopy(_blank(resource))


@functools.cache
def _blank(resource: type) -> Json:
    return {name: _empty(hint) for name, hint in fields_of(resource).items() if name != "deleted"}


def _empty(hint: Any) -> Any:  # noqa: ANN401, PLR0911  one return per kind of type
    origin = get_origin(hint)
    if is_nullable(hint):
        return None
    if origin is Literal:
        return get_args(hint)[0]
    if origin is list:
        return []
    if origin is ListObject:
        return {"object": "list", "data": [], "has_more": False, "url": ""}
    if origin in (UntypedStripeObject, dict):
        return {}
    if _is_resource(hint):
        return _blank(hint)
    return {int: 0, bool: False, float: 0.0}.get(hint, "")


def to_public(stored: Json) -> Json:
    """Return an object as Stripe shows it: without our hidden fields (`_name`) and without what it leaves out."""
    kind = stored.get("object", "")
    left_out = _LEFT_OUT.get(kind, frozenset())

    def is_left_out(name: str) -> bool:
        return name in left_out or (kind == "payment_method" and name not in _NULL_IN_PAYMENT_METHOD)

    return {
        name: value
        for name, value in stored.items()
        if not name.startswith("_") and not (value is None and is_left_out(name))
    }


def list_differences(resource: type, answer: Json) -> list[str]:
    """Return the places where a response differs from its documented type, one sentence each; empty if it conforms."""
    return _differences_in_object(resource, answer, "")


def check_response(resource: type, answer: Json) -> None:
    """Raise ContractError, naming every place, when an object differs from its documented type."""
    found = list_differences(resource, answer)
    if found:
        raise ContractError(f"{resource.__name__} differs from the installed package's type: {'; '.join(found)}")


def _differences_in_object(resource: type, answer: Json, path: str) -> list[str]:
    documented = fields_of(resource)
    if answer.get("deleted") is True:
        documented = {name: documented.get(name, Literal[True]) for name in ("id", "object", "deleted")}
    found = [f"{path}{name}: not documented in {resource.__name__}" for name in answer if name not in documented]
    for name, hint in documented.items():
        if name in answer:
            found += _differences(hint, answer[name], f"{path}{name}")
        elif not is_nullable(hint):
            found.append(f"{path}{name}: missing")
    return found


def _differences(hint: Any, value: Any, path: str) -> list[str]:  # noqa: ANN401  values of any documented type
    """Return the differences from the alternative that fits best."""
    if value is None and is_nullable(hint):
        return []
    members = [member for member in alternatives(hint) if member is not type(None)]
    resources = [member for member in members if _is_resource(member)]
    if isinstance(value, dict) and resources:
        members = resources
    return min((_differences_from_one(member, value, path) for member in members), key=len)


def _differences_from_one(hint: Any, value: Any, path: str) -> list[str]:  # noqa: ANN401  values of any documented type
    """Return the differences from one alternative."""
    choices = get_args(hint)
    if get_origin(hint) is Literal:
        return [] if value in choices else [f"{path}: {value!r} is not one of {', '.join(map(str, choices[:8]))}"]
    if _is_resource(hint) and isinstance(value, dict):
        return _differences_in_object(hint, value, f"{path}.")
    elements = _elements(hint, value, path)
    if elements is not None:
        return [found for place, element in elements for found in _differences(choices[-1], element, place)]
    if _is_scalar(hint, value):
        return []
    return [f"{path}: expected {getattr(hint, '__name__', hint)}, got {value!r}"]


def _elements(hint: Any, value: Any, path: str) -> list[tuple[str, Any]] | None:  # noqa: ANN401  values of any documented type
    """Return the elements of a list, a page or a map, each with its path; None for any other value."""
    origin = get_origin(hint)
    if origin is list and isinstance(value, list):
        return [(f"{path}[{index}]", element) for index, element in enumerate(value)]
    if origin is ListObject and isinstance(value, dict) and {"data", "has_more", "url"} <= set(value):
        return [(f"{path}.data[{index}]", element) for index, element in enumerate(value["data"])]
    if origin in (UntypedStripeObject, dict) and isinstance(value, dict):
        return [(f"{path}.{key}", element) for key, element in value.items()]
    return None


@functools.cache
def _is_resource(hint: Any) -> bool:  # noqa: ANN401  any annotation
    return isinstance(hint, type) and issubclass(hint, StripeObject)


def _is_scalar(hint: Any, value: Any) -> bool:  # noqa: ANN401  values of any documented type
    if hint is Any:
        return True
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is decimal.Decimal:
        return isinstance(value, str)
    return hint is not Never and isinstance(hint, type) and isinstance(value, hint)


@functools.cache
def resource_named(name: str) -> type[StripeObject]:
    """Return the package's class of a resource, by the name Stripe gives it in `object`; imported when first needed."""
    found: object = stripe
    for part in _RESOURCES[name].split("."):
        found = getattr(found, part)
    assert isinstance(found, type), name
    assert issubclass(found, StripeObject), name
    return found


_RESOURCES = {
    "account": "Account",
    "account_link": "AccountLink",
    "balance": "Balance",
    "balance_settings": "BalanceSettings",
    "balance_transaction": "BalanceTransaction",
    "cash_balance": "CashBalance",
    "charge": "Charge",
    "checkout.session": "checkout.Session",
    "customer": "Customer",
    "customer_cash_balance_transaction": "CustomerCashBalanceTransaction",
    "dispute": "Dispute",
    "event": "Event",
    "item": "LineItem",
    "mandate": "Mandate",
    "payment_intent": "PaymentIntent",
    "payment_method": "PaymentMethod",
    "payout": "Payout",
    "price": "Price",
    "refund": "Refund",
    "setup_intent": "SetupIntent",
    "tax_id": "TaxId",
    "transfer": "Transfer",
    "transfer_reversal": "_transfer_reversal.TransferReversal",
    "webhook_endpoint": "WebhookEndpoint",
}
