"""Stripe's v1 API: who calls, whether the key was used before, what happens, and the shape of the answer.

One call is one transaction: its effect and the answer saved under its idempotency key are written together or not
at all.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from marketplace.embedded.stripe_counterpart.contract import (
    ContractBroken,
    Json,
    check_shape,
    read_params,
    resource_named,
    shown,
)
from marketplace.embedded.stripe_counterpart.messages import Request, Response, json_response
from marketplace.embedded.stripe_counterpart.passing_time import catch_up
from marketplace.embedded.stripe_counterpart.reading import expand
from marketplace.embedded.stripe_counterpart.refusals import Declined, Refused, missing
from marketplace.embedded.stripe_counterpart.routes import Call, Operation, find_operation
from marketplace.embedded.stripe_counterpart.shapes import API_VERSION
from marketplace.embedded.stripe_counterpart.world import DAY, Origin, World

_ANSWERS_KEPT_FOR = DAY
_LONGEST_KEY = 255
_CRASH: Json = {"error": {"type": "api_error", "message": "An unknown error occurred."}}


@dataclass(frozen=True)
class Crash:
    """Stripe fails while executing and saves the failure as the key's answer. executed: whether the effect is kept."""

    executed: bool = False


@dataclass(frozen=True)
class _Answer:
    status: int
    body: Json
    is_saved: bool = True


class Api:
    """The API of one world."""

    def __init__(self, world: World) -> None:
        """Open the API of a world."""
        self._world = world
        self._keys_in_use: set[tuple[str, str]] = set()

    @contextmanager
    def reserved(self, request: Request) -> Iterator[None]:
        """Hold the request's idempotency key while it is played; refuse a second use meanwhile."""
        key = (request.headers.get("stripe-account", ""), request.headers.get("idempotency-key", ""))
        if request.method != "POST" or not key[1]:
            yield
            return
        if key in self._keys_in_use:
            message = (
                "There is currently another in-progress request using this idempotent key (that probably means you"
                f" submitted twice, and the other request is still going through): {key[1]}."
            )
            raise Refused(409, message, code="idempotency_key_in_use", kind="idempotency_error")
        self._keys_in_use.add(key)
        try:
            yield
        finally:
            self._keys_in_use.discard(key)

    def play(self, request: Request, crash: Crash | None = None) -> Response:
        """Play one call and answer it."""
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        request_id = f"req_{secrets.token_hex(7)}"
        headers = {"request-id": request_id, "stripe-version": API_VERSION}
        if key is not None:
            headers["idempotency-key"] = key
        try:
            account = _check_caller(request)
            with self._world.transaction(Origin(request.base, request_id, key)):
                catch_up(self._world)
                if account and self._world.account_of(account) is None:
                    raise missing("account", account)
                if key is None:
                    answer = self._execute(request, account, crash)
                else:
                    answer = self._execute_once(request, account, key, crash, headers)
        except Refused as refused:
            answer = _Answer(refused.status, refused.body)
        except ContractBroken as broken:
            answer = _Answer(
                500, {"error": {"type": "api_error", "message": f"The local counterpart is wrong: {broken}"}}
            )
        return json_response(answer.status, answer.body, headers)

    def _execute_once(
        self, request: Request, account: str, key: str, crash: Crash | None, headers: dict[str, str]
    ) -> _Answer:
        """Replay the answer saved under the key, or execute and save it."""
        if len(key) > _LONGEST_KEY:
            raise Refused(
                400, f"Idempotency keys are at most {_LONGEST_KEY} characters long.", kind="idempotency_error"
            )
        fingerprint = json.dumps([request.method, request.path, request.form()], sort_keys=True)
        saved = self._find_saved(account, key)
        if saved is not None:
            first_request, first_id, status, body = saved
            if first_request != fingerprint:
                message = (
                    "Keys for idempotent requests can only be used with the same parameters they were first used with."
                    f" Try using a key other than '{key}' if you meant to execute a different request."
                )
                raise Refused(400, message, kind="idempotency_error")
            headers.update({"idempotent-replayed": "true", "original-request": first_id})
            return _Answer(status, json.loads(body))
        answer = self._execute(request, account, crash)
        if answer.is_saved:
            self._world.query(
                "INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    account,
                    key,
                    fingerprint,
                    headers["request-id"],
                    answer.status,
                    json.dumps(answer.body),
                    self._world.now(),
                ),
            )
        return answer

    def _find_saved(self, account: str, key: str) -> tuple[str, str, int, str] | None:
        """Return (request, its id, status, body) saved under a key, after pruning what is older than a day."""
        self._world.query("DELETE FROM answer WHERE saved_at <= ?", (self._world.now() - _ANSWERS_KEPT_FOR,))
        rows = self._world.query(
            "SELECT request, request_id, status, body FROM answer WHERE account = ? AND key = ?", (account, key)
        )
        return rows[0] if rows else None

    def _execute(self, request: Request, account: str, crash: Crash | None) -> _Answer:
        """Do what the call asks; a refusal leaves nothing behind, a decline keeps what happened."""
        try:
            with self._world.attempt(keep=crash is None or crash.executed):
                operation, subject = find_operation(request.method, request.path)
                params = read_params(operation.params_type(), request.form())
                operation.refuse_unplayed(params)
                call = Call(self._world, params, request.path, subject, account)
                try:
                    played = operation.play(call)
                except Declined as declined:
                    # Not an answer that undoes the attempt: the failed charge and its events stay.
                    answer = _Answer(declined.status, declined.body)
                else:
                    answer = _Answer(200, _finish(self._world, operation, played, params))
        except Refused as refused:
            answer = _Answer(refused.status, refused.body, refused.executed)
        return answer if crash is None else _Answer(500, _CRASH)


def _check_caller(request: Request) -> str:
    """Return the connected account a call is made for, after checking its secret key and version."""
    key = _secret_key(request.headers.get("authorization", ""))
    if not key:
        raise Refused(401, "You did not provide an API key.")
    if key.startswith(("sk_live_", "rk_live_")):
        raise Refused(401, "This is a local counterpart of Stripe without real money: never give it a live key.")
    if not key.startswith(("sk_test_", "rk_test_")):
        raise Refused(401, f"Invalid API Key provided: {key[:8]}…", code="api_key_invalid")
    version = request.headers.get("stripe-version", API_VERSION)
    if version != API_VERSION:
        raise Refused(400, f"The local counterpart speaks {API_VERSION}, not {version}.")
    return request.headers.get("stripe-account", "")


def _secret_key(authorization: str) -> str:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return credentials if scheme.lower() == "bearer" else ""


def _finish(world: World, operation: Operation, played: Json, params: Json) -> Json:
    """Return what is answered: as Stripe shows it, expanded as asked, and of the documented shape."""
    answer = shown(played)
    for path in params.get("expand", []):
        if operation.lists and not path.startswith("data."):
            raise Refused(400, f"You may only expand data of a list, not {path}.", param="expand", executed=False)
        expand(world, answer, path)
    resource = resource_named(operation.resource)
    for each in answer["data"] if operation.lists else [answer]:
        check_shape(resource, each)
    return answer
