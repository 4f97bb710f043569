"""Requests to a provider: discovery, a token for the code, and the check of the token.

All requests go to addresses from the provider's own document, which must name the configured issuer. Documents and keys
are cached for some minutes; keys are fetched again if a token names an unknown one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Invalid, Refusal
from marketplace.people.sign_in.provider_rules import ALGORITHMS, LEEWAY_SECONDS, Provider, check_audience, is_safe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc.jwk import KeySet

SECONDS: Final = 10.0
KEPT_SECONDS: Final = 600.0
LONGEST_SUBJECT: Final = 255
LARGEST_BYTES: Final = 1 << 18
NOT_ACCEPTED: Final = "The answer of {name} cannot be accepted. Try again, or sign in with your password."
NO_ANSWER: Final = "{name} does not answer now. Try again in a minute, or sign in with your password."
log = structlog.get_logger(__name__)


class Document(Struct, frozen=True):
    """What a provider states about itself, the needed part (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class SilentProviderError(Refusal):
    """A provider did not answer, or its answer cannot be read."""


_documents: dict[str, tuple[float, Document]] = {}
_keys: dict[str, tuple[float, KeySet]] = {}


async def find_document(provider: Provider) -> Document:
    """Return the provider's document; refuses SilentProviderError and Invalid."""
    known = _documents.get(provider.issuer)
    if known and time.monotonic() - known[0] < KEPT_SECONDS:
        return known[1]
    answered = await _ask(provider, "GET", f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    fields = {name: answered.get(name) for name in Document.__struct_fields__}
    if answered.get("issuer") != provider.issuer:
        raise _refused(provider, "its document names another issuer")
    if not all(isinstance(value, str) and is_safe(value) for value in fields.values()):
        raise _refused(provider, "its document lacks an https address")
    document = Document(**{name: str(value) for name, value in fields.items()})
    _documents[provider.issuer] = (time.monotonic(), document)
    return document


async def fetch_subject(provider: Provider, code: str, *, verifier: str, nonce: str, callback: str) -> str:
    """Exchange a code for an ID token and return its subject (`sub`); refuses SilentProviderError and Invalid."""
    document = await find_document(provider)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback,
        "code_verifier": verifier,
        "client_id": provider.client_id,
    }
    answered = await _ask(provider, "POST", document.token_endpoint, form)
    token = answered.get("id_token")
    if not isinstance(token, str):
        raise _refused(provider, "it gave no ID token")
    return await _check(provider, document, token, nonce)


async def _check(provider: Provider, document: Document, token: str, nonce: str) -> str:
    return str((await _claims(provider, document, token, {"nonce": {"essential": True, "value": nonce}}))["sub"])


async def read_token(provider: Provider, token: str) -> Mapping[str, Any]:
    """Return the claims of a program's token; refuses SilentProviderError and Invalid."""
    return await _claims(provider, await find_document(provider), token, {})


async def _claims(
    provider: Provider, document: Document, token: str, also: dict[str, dict[str, Any]]
) -> Mapping[str, Any]:
    """Return a token's claims once all of them are right. also: further required claims."""
    from joserfc import errors, jwt  # noqa: PLC0415 (start-up time)

    now = int(clock.now().timestamp())
    must = jwt.JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": provider.issuer},
        sub={"essential": True},
        aud={"essential": True, "value": provider.client_id},
        exp={"essential": True},
        iat={"essential": True},
        **also,  # type: ignore[arg-type]
    )
    try:
        claims: dict[str, Any] = (await _decode(provider, document, token)).claims
        must.validate(claims)
    except (errors.JoseError, ValueError, TypeError, KeyError) as problem:
        raise _refused(provider, f"{type(problem).__name__} {getattr(problem, 'claim', '')}".strip()) from None
    if not check_audience(claims, provider.client_id) or not 0 < len(claims["sub"]) <= LONGEST_SUBJECT:
        raise _refused(provider, "the token is for somebody else")
    return claims


async def _decode(provider: Provider, document: Document, token: str) -> Any:  # noqa: ANN401 (joserfc's token)
    """Return a token whose signature is right, by a key of the provider's; keys are fetched again once."""
    from joserfc import errors, jwt  # noqa: PLC0415 (start-up time)

    try:
        return jwt.decode(token, await _find_keys(provider, document), algorithms=list(ALGORITHMS))
    except (errors.InvalidKeyIdError, errors.BadSignatureError):
        _keys.pop(document.jwks_uri, None)
        return jwt.decode(token, await _find_keys(provider, document), algorithms=list(ALGORITHMS))


async def _find_keys(provider: Provider, document: Document) -> KeySet:
    from joserfc.jwk import KeySet  # noqa: PLC0415 (start-up time)

    known = _keys.get(document.jwks_uri)
    if known and time.monotonic() - known[0] < KEPT_SECONDS:
        return known[1]
    answered = await _ask(provider, "GET", document.jwks_uri)
    usable = [
        key for key in answered.get("keys", []) if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP")
    ]
    keys = KeySet.import_key_set({"keys": usable})
    _keys[document.jwks_uri] = (time.monotonic(), keys)
    return keys


async def _ask(provider: Provider, method: str, address: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 (start-up time)

    secret = (provider.client_id, provider.client_secret) if form and provider.client_secret else None
    try:
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            answer = await client.request(
                method, address, data=form, auth=secret, headers={"accept": "application/json"}
            )
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        log.warning("identity provider silent", provider=provider.code, why=type(problem).__name__)
        raise SilentProviderError(NO_ANSWER, name=provider.name) from None
    if not answer.is_success or len(answer.content) > LARGEST_BYTES:
        log.warning("identity provider refused", provider=provider.code, status=answer.status_code)
        raise (SilentProviderError if answer.is_server_error else Invalid)(
            NO_ANSWER if answer.is_server_error else NOT_ACCEPTED, name=provider.name
        )
    try:
        answered = answer.json()
    except ValueError:
        answered = None
    if not isinstance(answered, dict):
        raise _refused(provider, "it answered no JSON object")
    return answered


def _refused(provider: Provider, why: str) -> Invalid:
    log.warning("identity provider's answer refused", provider=provider.code, why=why)
    return Invalid(NOT_ACCEPTED, name=provider.name)
