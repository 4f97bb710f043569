"""A call and an operation: method, path, documented parameters, those supported, and the function that executes it.

A documented parameter that is not supported is refused by name, so that a call never appears to have an effect that it
lacks.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import stripe.params
import stripe.params.checkout
import stripe.params.test_helpers

from marketplace.demo.stripe_counterpart import listing
from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json

PAGING = "created ending_before limit starting_after"
LINE_PAGING = "ending_before limit starting_after"


@dataclass(frozen=True)
class Call:
    """One call being executed. subject: the id in its path, "" if none; account: its connected account, "" for our own."""

    state: StripeState
    params: Json
    path: str
    subject: str = ""
    account: str = ""

    def get(self, kind: str) -> Json:
        """Return the object that the path names."""
        return self.state.get(kind, self.subject)

    def list(self, kind: str, wanted: listing.Filter) -> Json:
        """Return a page of a list, of the account that the call is made for."""
        wanted.require("account = ?", self.account)
        return listing.list_page(self.state, kind, self.params, self.path, wanted)


@dataclass(frozen=True)
class Operation:
    """The operation of one method and path.

    params: the name of its parameters' type in `stripe.params`. resource: the name of the resource that it returns, or
    lists. supported: the names of the parameters that it supports.
    """

    method: str
    path: str
    params: str
    resource: str
    supported: str
    execute: Callable[[Call], Json]
    lists: bool = False

    def subject_in(self, path: str) -> str | None:
        """Return the id in a path of this operation ("" if it has none), or None for a path of another."""
        pattern = re.escape(self.path).replace(re.escape("{id}"), "([^/]+)")
        match = re.fullmatch(pattern, path)
        return None if match is None else "".join(match.groups())

    def params_type(self) -> type:
        """Return the package's type of the parameters; imported when first needed, because there are many."""
        found: Any = stripe.params
        for part in self.params.split("."):
            found = getattr(found, part)
        assert isinstance(found, type), self.params
        return found

    def refuse_unsupported(self, params: Json) -> None:
        """Refuse a parameter that Stripe documents and this operation does not support."""
        for name in sorted(set(params) - {*self.supported.split(), "expand"}):
            raise ApiError(
                400, f"The local counterpart does not support the parameter {name} here.", param=name, executed=False
            )


def list_operation(path: str, params: str, resource: str, filters: str = "", paging: str = PAGING) -> Operation:
    """Return the operation that lists a resource by fields equal to parameters: `name`, or `name=field`."""
    equal = {name: column or name for name, _, column in (each.partition("=") for each in filters.split())}

    def execute(call: Call) -> Json:
        return call.list(resource, listing.equal_to(call.params, equal))

    return Operation("GET", path, params, resource, f"{paging} {' '.join(equal)}", execute, lists=True)


def retrieve_operation(path: str, params: str, resource: str) -> Operation:
    """Return the operation that retrieves a resource by its id."""
    return Operation("GET", path, params, resource, "", lambda call: call.get(resource))
