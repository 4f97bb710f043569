"""The parameters of a call, read strictly by the types that the installed package documents.

An unknown, missing or mistyped parameter is refused as Stripe refuses it.
"""

import decimal
import re
from typing import Any, Literal, get_args, get_origin

import typing_extensions
from stripe._stripe_object import UntypedStripeObject

from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.stripe_types import Json, alternatives, parameters_of

_WHOLE_NUMBER = re.compile(r"-?\d{1,18}")
_METADATA_KEYS, _METADATA_KEY_LENGTH, _METADATA_VALUE_LENGTH = 50, 40, 500


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
            raise ApiError(400, f"Received unknown parameter: {place}", code=code, param=place, executed=False)
    for name, (_, required) in known.items():
        if required and name not in sent:
            place = _place(path, name)
            raise ApiError(
                400, f"Missing required param: {place}.", code="parameter_missing", param=place, executed=False
            )
    return {name: _read(known[name][0], value, _place(path, name)) for name, value in sent.items()}


def _place(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _read(hint: Any, value: Any, path: str) -> Any:  # noqa: ANN401  values of any documented type
    """Read one value by trying each alternative of its type; raise the last refusal if none fits."""
    refusal: ApiError | None = None
    for member in alternatives(hint):
        try:
            return _read_one(member, value, path)
        except ApiError as refused:
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
    raise ApiError(400, f"Invalid {path}: expected {_name_of(hint)}", param=path, executed=False)


def _read_text(hint: Any, text: str, path: str) -> Any:  # noqa: ANN401  values of any documented type
    if hint is str or (get_origin(hint) is Literal and text in get_args(hint)):
        return text
    if get_origin(hint) is Literal:
        choices = ", ".join(str(choice) for choice in get_args(hint))
        raise ApiError(400, f"Invalid {path}: must be one of {choices}", param=path, executed=False)
    if hint is int and _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if hint is int:
        raise ApiError(400, f"Invalid integer: {text}", code="parameter_invalid_integer", param=path, executed=False)
    if hint is bool and text in ("true", "false"):
        return text == "true"
    if hint in (float, decimal.Decimal):
        try:
            return float(text) if hint is float else str(decimal.Decimal(text))
        except (ValueError, decimal.InvalidOperation):
            pass
    raise ApiError(400, f"Invalid {path}: {text!r} is not {_name_of(hint)}", param=path, executed=False)


def _items(value: Any, path: str) -> list[Any]:  # noqa: ANN401  a decoded form value
    """Return a form's list: `a[0]=x&a[1]=y` arrives as {"0": x, "1": y}; an empty text empties the list."""
    if value == "":
        return []
    if isinstance(value, dict) and all(key.isdigit() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    raise ApiError(400, f"Invalid array in {path}", param=path, executed=False)


def _check_metadata(value: Json, path: str) -> None:
    too_long = [
        key for key, text in value.items() if len(key) > _METADATA_KEY_LENGTH or len(str(text)) > _METADATA_VALUE_LENGTH
    ]
    if len(value) > _METADATA_KEYS or too_long:
        raise ApiError(
            400,
            f"Metadata holds at most {_METADATA_KEYS} keys of {_METADATA_KEY_LENGTH} characters with values of"
            f" {_METADATA_VALUE_LENGTH}: {', '.join(too_long) or len(value)}",
            param=path,
            executed=False,
        )


def _name_of(hint: Any) -> str:  # noqa: ANN401  any annotation
    return {int: "an integer", bool: "a boolean", str: "a string", float: "a number"}.get(hint, "an object")
