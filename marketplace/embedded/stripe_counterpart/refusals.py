"""The two ways a call is refused.

`Refused` leaves nothing behind. `Declined` keeps what happened until then: a declined card leaves a failed charge and
its events. Both carry the error body that Stripe would send.
"""

from typing import Any


class Refused(Exception):  # noqa: N818  named by what happened, as in the rest of the house
    """A call that ends in an error answer.

    executed: whether the endpoint had begun to execute; only then is the answer saved under the idempotency key.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        executed: bool = True,
        **details: Any,  # noqa: ANN401  objects attached to the error, as JSON
    ) -> None:
        """Make Stripe's error object; what is None is left out of it."""
        super().__init__(message)
        self.status = status
        self.executed = executed
        named = {"code": code, "param": param, **details}
        error = {
            "type": kind,
            "message": message,
            **{name: value for name, value in named.items() if value is not None},
        }
        self.body: dict[str, Any] = {"error": error}


class Declined(Refused):
    """A payment that the card or its bank refused: what was attempted stays on record."""


def missing(kind: str, identifier: str, param: str = "id") -> Refused:
    """Return the refusal for an object that does not exist."""
    noun = kind.replace("checkout.session", "checkout session").replace("_", "")
    return Refused(404, f"No such {noun}: '{identifier}'", code="resource_missing", param=param)
