"""The contract of every call: parameters read strictly, response skeletons, and what is wrong with a response.

An unknown, missing or mistyped parameter is refused as Stripe refuses it; a response that differs from the documented
type is a fault of the counterpart and is named place by place.
"""

import copy
import decimal
import functools
import re
from typing import Any, Literal, Never, get_args, get_origin

import stripe
import typing_extensions
from stripe._list_object import ListObject
from stripe._stripe_object import StripeObject, UntypedStripeObject

from marketplace.embedded.stripe_counterpart.refusals import Refused
from marketplace.embedded.stripe_counterpart.shapes import alternatives, fields_of, is_nullable, parameters_of

Json = dict[str, Any]

_WHOLE_NUMBER = re.compile(r"-?\d{1,18}")
_METADATA_KEYS, _METADATA_KEY_LENGTH, _METADATA_VALUE_LENGTH = 50, 40, 500

# Fields that Stripe leaves out when they have no value, where the types cannot tell "absent" from "null".
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


class ContractBroken(AssertionError):  # noqa: N818  named by what happened, as in the rest of the house
    """We made an object that the installed package does not document: a fault of ours, never the caller's."""


# ------------------------------------------------------------------ requests
def read_params(typed_dict: type, sent: Json) -> Json:
    """Return the parameters of a call with their documented types; refuse what the type does not allow.

    sent: the decoded form, a tree of dictionaries whose leaves are text.
    """
    return _read_fields(typed_dict, sent, "")


def _read_fields(typed_dict: type, sent: Json, path: str) -> Json:
    known = parameters_of(typed_dict)
    for name in sent:
        if name not in known:
            place = _place(path, name)
            code = "payment_method_types_no_longer_supported" if name == "payment_method_types" else "parameter_unknown"
            raise Refused(400, f"Received unknown parameter: {place}", code=code, param=place, executed=False)
    for name, (_, required) in known.items():
        if required and name not in sent:
            place = _place(path, name)
            raise Refused(
                400, f"Missing required param: {place}.", code="parameter_missing", param=place, executed=False
            )
    return {name: _read(known[name][0], value, _place(path, name)) for name, value in sent.items()}


def _place(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _read(hint: Any, value: Any, path: str) -> Any:  # noqa: ANN401  values of any documented type
    """Read one value by trying each alternative of its type; the last refusal is the one told."""
    refusal: Refused | None = None
    for member in alternatives(hint):
        try:
            return _read_one(member, value, path)
        except Refused as refused:
            refusal = refused
    assert refusal is not None, f"{path}: the type has no alternatives"
    raise refusal


def _read_one(hint: Any, value: Any, path: str) -> Any:  # noqa: ANN401  values of any documented type
    origin, arguments = get_origin(hint), get_args(hint)
    if typing_extensions.is_typeddict(hint) and isinstance(value, dict):
        return _read_fields(hint, value, path)
    if origin is list:
        items = _items(value, path)
        return [_read(arguments[0], item, _place(path, str(index))) for index, item in enumerate(items)]
    if origin in (dict, UntypedStripeObject) and isinstance(value, dict):
        if path.endswith(("metadata", "metadata]")):
            _check_metadata(value, path)
        return {key: _read(arguments[-1], item, _place(path, key)) for key, item in value.items()}
    if isinstance(value, str):
        return _read_text(hint, value, path)
    raise Refused(400, f"Invalid {path}: expected {_name_of(hint)}", param=path, executed=False)


def _read_text(hint: Any, text: str, path: str) -> Any:  # noqa: ANN401  values of any documented type
    if hint is str or (get_origin(hint) is Literal and text in get_args(hint)):
        return text
    if get_origin(hint) is Literal:
        choices = ", ".join(str(choice) for choice in get_args(hint))
        raise Refused(400, f"Invalid {path}: must be one of {choices}", param=path, executed=False)
    if hint is int and _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if hint is int:
        raise Refused(400, f"Invalid integer: {text}", code="parameter_invalid_integer", param=path, executed=False)
    if hint is bool and text in ("true", "false"):
        return text == "true"
    if hint in (float, decimal.Decimal):
        try:
            return float(text) if hint is float else str(decimal.Decimal(text))
        except (ValueError, decimal.InvalidOperation):
            pass
    raise Refused(400, f"Invalid {path}: {text!r} is not {_name_of(hint)}", param=path, executed=False)


def _items(value: Any, path: str) -> list[Any]:  # noqa: ANN401  a decoded form value
    """Return a form's list: `a[0]=x&a[1]=y` arrives as {"0": x, "1": y}; an empty text empties the list."""
    if value == "":
        return []
    if isinstance(value, dict) and all(key.isdigit() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    raise Refused(400, f"Invalid array in {path}", param=path, executed=False)


def _check_metadata(value: Json, path: str) -> None:
    too_long = [
        key for key, text in value.items() if len(key) > _METADATA_KEY_LENGTH or len(str(text)) > _METADATA_VALUE_LENGTH
    ]
    if len(value) > _METADATA_KEYS or too_long:
        raise Refused(
            400,
            f"Metadata holds at most {_METADATA_KEYS} keys of {_METADATA_KEY_LENGTH} characters with values of"
            f" {_METADATA_VALUE_LENGTH}: {', '.join(too_long) or len(value)}",
            param=path,
            executed=False,
        )


def _name_of(hint: Any) -> str:  # noqa: ANN401  any annotation
    return {int: "an integer", bool: "a boolean", str: "a string", float: "a number"}.get(hint, "an object")


# ------------------------------------------------------------------ responses
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


def shown(stored: Json) -> Json:
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


def problems(resource: type, answer: Json) -> list[str]:
    """Return the places where a response differs from its documented type, in words; empty means it conforms."""
    return list(_problems_of_object(resource, answer, ""))


def check_shape(resource: type, answer: Json) -> None:
    """Raise ContractBroken, naming every place, when an object differs from its documented type."""
    found = problems(resource, answer)
    if found:
        raise ContractBroken(f"{resource.__name__} differs from the installed package's type: {'; '.join(found)}")


def _problems_of_object(resource: type, answer: Json, path: str) -> list[str]:
    documented = fields_of(resource)
    if answer.get("deleted") is True:
        documented = {name: documented.get(name, Literal[True]) for name in ("id", "object", "deleted")}
    found = [f"{path}{name}: not documented in {resource.__name__}" for name in answer if name not in documented]
    for name, hint in documented.items():
        if name in answer:
            found += _problems(hint, answer[name], f"{path}{name}")
        elif not is_nullable(hint):
            found.append(f"{path}{name}: missing")
    return found


def _problems(hint: Any, value: Any, path: str) -> list[str]:  # noqa: ANN401  values of any documented type
    """Return the problems under the alternative that fits best."""
    if value is None and is_nullable(hint):
        return []
    members = [member for member in alternatives(hint) if member is not type(None)]
    resources = [member for member in members if _is_resource(member)]
    if isinstance(value, dict) and resources:
        members = resources
    return min((_problems_of_one(member, value, path) for member in members), key=len)


def _problems_of_one(hint: Any, value: Any, path: str) -> list[str]:  # noqa: ANN401, PLR0911  one return per kind of type
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return []
    if origin is Literal:
        return [] if value in arguments else [f"{path}: {value!r} is not one of {', '.join(map(str, arguments[:8]))}"]
    if origin is list and isinstance(value, list):
        return [found for i, item in enumerate(value) for found in _problems(arguments[0], item, f"{path}[{i}]")]
    if origin is ListObject and isinstance(value, dict) and {"data", "has_more", "url"} <= set(value):
        items = enumerate(value["data"])
        return [found for i, item in items for found in _problems(arguments[0], item, f"{path}.data[{i}]")]
    if origin in (UntypedStripeObject, dict) and isinstance(value, dict):
        return [found for key, item in value.items() for found in _problems(arguments[-1], item, f"{path}.{key}")]
    if _is_resource(hint) and isinstance(value, dict):
        return _problems_of_object(hint, value, f"{path}.")
    if _is_scalar(hint, value):
        return []
    return [f"{path}: expected {getattr(hint, '__name__', hint)}, got {value!r}"]


def _is_resource(hint: Any) -> bool:  # noqa: ANN401  any annotation
    return isinstance(hint, type) and issubclass(hint, StripeObject)


def _is_scalar(hint: Any, value: Any) -> bool:  # noqa: ANN401  values of any documented type
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
