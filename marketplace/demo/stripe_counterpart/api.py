"""Stripe's v1 API: authentication, idempotency keys, execution, and the check of the answer's shape.

One call is one transaction: its effect and the answer saved under its idempotency key are committed together or not
at all.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from marketplace.demo.stripe_counterpart.errors import ApiError, PaymentDeclinedError
from marketplace.demo.stripe_counterpart.expansion import expand
from marketplace.demo.stripe_counterpart.http_messages import Request, Response, json_response
from marketplace.demo.stripe_counterpart.operations import Call, Operation
from marketplace.demo.stripe_counterpart.parameters import read_params
from marketplace.demo.stripe_counterpart.responses import ContractError, check_response, resource_named, to_public
from marketplace.demo.stripe_counterpart.routes import find_operation
from marketplace.demo.stripe_counterpart.scheduled_actions import run_due_actions
from marketplace.demo.stripe_counterpart.state import DAY, Origin, SavedAnswer, StripeState
from marketplace.demo.stripe_counterpart.stripe_types import API_VERSION, Json

_ANSWER_RETENTION = DAY
_MAX_KEY_LENGTH = 255
_CRASH: Json = {"error": {"type": "api_error", "message": "An unknown error occurred."}}


@dataclass(frozen=True)
class Crash:
    """A planned crash while executing, saved as the key's answer. executed: whether the effect persists."""

    executed: bool = False


@dataclass(frozen=True)
class _Result:
    status: int
    body: Json
    is_saved: bool = True


class Api:
    """The API on one state."""

    def __init__(self, state: StripeState) -> None:
        """Serve a state."""
        self._state = state
        self._keys_in_use: set[tuple[str, str]] = set()

    @contextmanager
    def reserve_key(self, request: Request) -> Iterator[None]:
        """Reserve the request's idempotency key while it is executed; refuse a second use during that time."""
        key = (request.headers.get("stripe-account", ""), request.headers.get("idempotency-key", ""))
        if request.method != "POST" or not key[1]:
            yield
            return
        if key in self._keys_in_use:
            message = (
                "There is currently another in-progress request using this idempotent key (that probably means you"
                f" submitted twice, and the other request is still going through): {key[1]}."
            )
            raise ApiError(409, message, code="idempotency_key_in_use", kind="idempotency_error")
        self._keys_in_use.add(key)
        try:
            yield
        finally:
            self._keys_in_use.discard(key)

    def execute(self, request: Request, crash: Crash | None = None) -> Response:
        """Execute one call and return its response."""
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        request_id = f"req_{secrets.token_hex(7)}"
        headers = {"request-id": request_id, "stripe-version": API_VERSION}
        if key is not None:
            headers["idempotency-key"] = key
        try:
            account = _check_caller(request)
            with self._state.transaction(Origin(request.base, request_id, key)):
                run_due_actions(self._state)
                self._check_account(account)
                if key is None:
                    answer = self._execute(request, account, crash)
                else:
                    answer = self._execute_once(request, account, key, crash, headers)
        except ApiError as refused:
            answer = _Result(refused.status, refused.body)
        except ContractError as broken:
            answer = _Result(
                500, {"error": {"type": "api_error", "message": f"The local counterpart is wrong: {broken}"}}
            )
        return json_response(answer.status, answer.body, headers)

    def _check_account(self, account: str) -> None:
        """Refuse, as Stripe does, a connected account that does not exist or was deleted."""
        if account and self._state.account_of(account) is None:
            message = f"The provided key does not have access to account '{account}'"
            raise ApiError(403, f"{message} (or that account does not exist).", code="account_invalid")

    def _execute_once(
        self, request: Request, account: str, key: str, crash: Crash | None, headers: dict[str, str]
    ) -> _Result:
        """Replay the answer saved under the key, or execute and save it."""
        if len(key) > _MAX_KEY_LENGTH:
            raise ApiError(
                400, f"Idempotency keys are at most {_MAX_KEY_LENGTH} characters long.", kind="idempotency_error"
            )
        fingerprint = json.dumps([request.method, request.path, request.form()], sort_keys=True)
        saved = self._find_saved(account, key)
        if saved is not None:
            if saved.request != fingerprint:
                message = (
                    "Keys for idempotent requests can only be used with the same parameters they were first used with."
                    f" Try using a key other than '{key}' if you meant to execute a different request."
                )
                raise ApiError(400, message, kind="idempotency_error")
            headers.update({"idempotent-replayed": "true", "original-request": saved.request_id})
            return _Result(saved.status, json.loads(saved.body))
        answer = self._execute(request, account, crash)
        if answer.is_saved:
            self._state.execute(
                "INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    account,
                    key,
                    fingerprint,
                    headers["request-id"],
                    answer.status,
                    json.dumps(answer.body),
                    self._state.now(),
                ),
            )
        return answer

    def _find_saved(self, account: str, key: str) -> SavedAnswer | None:
        """Return the answer saved under a key, after deleting those older than a day."""
        self._state.execute("DELETE FROM answer WHERE saved_at <= ?", (self._state.now() - _ANSWER_RETENTION,))
        rows = self._state.fetch_rows(
            SavedAnswer,
            "SELECT request, request_id, status, body FROM answer WHERE account = ? AND key = ?",
            (account, key),
        )
        return rows[0] if rows else None

    def _execute(self, request: Request, account: str, crash: Crash | None) -> _Result:
        """Execute the call. An `ApiError` undoes its effect; a `PaymentDeclinedError` keeps it."""
        try:
            with self._state.savepoint(keep=crash is None or crash.executed):
                operation, subject = find_operation(request.method, request.path)
                params = read_params(operation.params_type(), request.form())
                operation.refuse_unsupported(params)
                call = Call(self._state, params, request.path, subject, account)
                try:
                    result = operation.execute(call)
                except PaymentDeclinedError as declined:
                    # The failed charge and its events stay on record.
                    answer = _Result(declined.status, declined.body)
                else:
                    answer = _Result(200, _finish(self._state, operation, result, params))
        except ApiError as refused:
            answer = _Result(refused.status, refused.body, refused.executed)
        return answer if crash is None else _Result(500, _CRASH)


def _check_caller(request: Request) -> str:
    """Return the connected account a call is made for, after checking its secret key and version."""
    key = _secret_key(request.headers.get("authorization", ""))
    if not key:
        raise ApiError(401, "You did not provide an API key.")
    if key.startswith(("sk_live_", "rk_live_")):
        raise ApiError(401, "This is a local counterpart of Stripe without real money: never give it a live key.")
    if not key.startswith(("sk_test_", "rk_test_")):
        raise ApiError(401, f"Invalid API Key provided: {key[:8]}…", code="api_key_invalid")
    version = request.headers.get("stripe-version", API_VERSION)
    if version != API_VERSION:
        raise ApiError(400, f"The local counterpart speaks {API_VERSION}, not {version}.")
    return request.headers.get("stripe-account", "")


def _secret_key(authorization: str) -> str:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return credentials if scheme.lower() == "bearer" else ""


def _finish(state: StripeState, operation: Operation, result: Json, params: Json) -> Json:
    """Return the answer: the public fields, expanded as the call asks, checked against the documented type."""
    answer = to_public(result)
    for path in params.get("expand", []):
        if operation.lists and not path.startswith("data."):
            raise ApiError(400, f"You may only expand data of a list, not {path}.", param="expand", executed=False)
        expand(state, answer, path)
    resource = resource_named(operation.resource)
    for each in answer["data"] if operation.lists else [answer]:
        check_response(resource, each)
    return answer
