"""The fields that the installed `stripe` package documents for its resources and parameters.

The package's annotations name classes that it imports for type checkers only; this module resolves them as a type
checker would. Stripe generates these types from the very API version that the package speaks.

Stripe's objects travel through the counterpart as JSON dictionaries (`Json`): the package documents about fifty classes
with thousands of fields, and a second copy of them as structs would drift. Every answer and every event is checked
against the documented types instead. The counterpart's own rows (saved answers, deliveries, scheduled actions) are
structs, in `state`.
"""

import ast
import decimal
import functools
import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NotRequired, Union, get_args, get_origin

import stripe
import typing_extensions
from stripe._stripe_object import UntypedStripeObject

Json = dict[str, Any]
"""An object of Stripe: its fields are documented by the package's types and checked on every call."""

API_VERSION: str = stripe.api_version
_REQUEST_OPTIONS = frozenset(stripe.RequestOptions.__annotations__)
_GUARD = re.compile(r"^if TYPE_CHECKING:\n(?:(?:[ )].*)?\n)+", re.MULTILINE)
_UNIONS = (Union, types.UnionType)
_COMMON_NAMES: dict[str, Any] = {
    **vars(typing),
    **vars(typing_extensions),
    "Decimal": decimal.Decimal,
    "UntypedStripeObject": UntypedStripeObject,
}


class _Names(dict[str, Any]):
    """The names of an annotation: those given, the module's type-checking imports, the package's public names."""

    def __init__(self, known: Mapping[str, Any], module: str) -> None:
        """Start from known names, for annotations of a module."""
        super().__init__(known)
        self._module = module

    def __missing__(self, name: str) -> Any:  # noqa: ANN401  an annotation may name anything
        imported = _type_checking_imports(self._module).get(name)
        if imported is not None:
            return getattr(importlib.import_module(imported[0]), imported[1])
        try:
            return getattr(stripe, name)
        except AttributeError:
            raise KeyError(name) from None


@functools.cache
def _type_checking_imports(module: str) -> dict[str, tuple[str, str]]:
    """Return what a module imports under `if TYPE_CHECKING:` as local name → (module, name there)."""
    guards = _GUARD.findall(inspect.getsource(sys.modules[module]))  # some modules have ten thousand lines to parse
    guarded = [statement for guard in guards for statement in ast.walk(ast.parse(guard))]
    return {
        alias.asname or alias.name: (statement.module or "", alias.name)
        for statement in guarded
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def _hints(owner: type) -> dict[str, Any]:
    known = dict(_COMMON_NAMES)
    for base in reversed(owner.__mro__):
        known.update(vars(sys.modules[base.__module__]))
    known.update(vars(sys.modules[owner.__module__]))
    if not typing_extensions.is_typeddict(owner):
        known.update(vars(owner))
    return typing_extensions.get_type_hints(
        owner, globalns=known, localns=_Names(known, owner.__module__), include_extras=True
    )


@functools.cache
def fields_of(resource: type) -> dict[str, Any]:
    """Return the documented fields of a response class as name → annotation."""
    return {
        name: hint
        for name, hint in _hints(resource).items()
        if not name.startswith("_") and name != "OBJECT_NAME" and get_origin(hint) is not ClassVar
    }


@functools.cache
def parameters_of(typed_dict: type) -> dict[str, tuple[Any, bool]]:
    """Return the documented parameters of a call as name → (annotation, required), without the client's own options."""
    parameters = {}
    for name, hint in _hints(typed_dict).items():
        if name in _REQUEST_OPTIONS:
            continue
        optional = get_origin(hint) is NotRequired
        parameters[name] = (get_args(hint)[0] if optional else hint, not optional)
    return parameters


@functools.cache
def alternatives(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401  any annotation
    """Return the members of a union, or the annotation alone.

    The package writes open enumerations (`Literal[...] | str`) so that it survives new values; the service refuses
    values it does not document, so such a `str` is dropped: enumerations are closed here.
    """
    if get_origin(hint) not in _UNIONS:
        return (hint,)
    members = get_args(hint)
    enumerated = any(get_origin(member) is Literal and get_args(member) != ("",) for member in members)
    return tuple(member for member in members if not (enumerated and member is str))


@functools.cache
def is_nullable(hint: Any) -> bool:  # noqa: ANN401  any annotation
    """Whether the field may be null or absent."""
    return get_origin(hint) in _UNIONS and type(None) in get_args(hint)
