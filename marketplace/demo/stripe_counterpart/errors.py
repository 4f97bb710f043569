"""The errors of a call; each carries the body that Stripe would send.

An `ApiError` undoes the call's effect. A `PaymentDeclinedError` keeps it: a declined card leaves a failed charge and
its events.
"""

from typing import Any


class ApiError(Exception):
    """Raised for a call that is answered with an error.

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
        """Build Stripe's error object; it leaves out what is None."""
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


class PaymentDeclinedError(ApiError):
    """Raised when the card or its bank declines a payment; the attempt stays on record."""


def no_such_object(kind: str, identifier: str, param: str = "id") -> ApiError:
    """Return the error for an object that does not exist."""
    noun = kind.replace("checkout.session", "checkout session").replace("_", "")
    return ApiError(404, f"No such {noun}: '{identifier}'", code="resource_missing", param=param)
