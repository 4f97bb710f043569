"""Rules of Delta Sharing: request headers, signatures of files, and the form of credentials.

Source: delta-io/delta-sharing, PROTOCOL.md, of August 2026.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from marketplace.core.errors import Invalid, existing

if TYPE_CHECKING:
    import uuid

SHARE, SCHEMA = "partage", "releases"
PAGE_TOKEN: Final = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?")
"""A version, and how many of its files were sent."""
PATH: Final = "/delta-sharing"
PREFIX: Final = "ds_"
TOKEN_PREFIX: Final = "dst_"  # noqa: S105 (how one begins)
KINDS: Final = ("bearer", "basic", "key_pair")
DAYS: Final = (30, 90, 365)
"""How long a credential may work."""
SIGNED_FOR: Final = dt.timedelta(minutes=15)
"""How long a file's address works; clients ask for new ones."""
TOKEN_LASTS: Final = dt.timedelta(hours=1)
ASSERTION_LASTS: Final = dt.timedelta(minutes=5)
"""The longest allowed time between a client's signature and the end that it states."""
SMALLEST_RSA: Final = 2048
"""Bits."""
USED_AGAIN: Final = dt.timedelta(minutes=1)
CAPABILITIES: Final = "delta-sharing-capabilities"


class Query(Struct, frozen=True, rename="camel"):
    """The body of a query, the fields that we use."""

    version: int | None = None
    timestamp: str | None = None
    starting_version: int | None = None
    ending_version: int | None = None
    limit_hint: int | None = None
    max_files: int | None = None
    page_token: str | None = None
    refresh_token: str | None = None


class Capabilities(Struct, frozen=True):
    """What a client supports."""

    is_delta: bool
    """Whether it requests actions of Delta only."""
    wants_end: bool
    """Whether it expects an action that ends the answer."""

    def header(self) -> str:
        """Return the answer's header."""
        end = ";includeendstreamaction=true" if self.wants_end else ""
        return f"responseformat={'delta' if self.is_delta else 'parquet'}{end}"


def capabilities(header: str) -> Capabilities:
    """Read the header `delta-sharing-capabilities`: parts separated by `;`, each `name=value,value`."""
    parts = dict(part.split("=", 1) for part in header.lower().replace(" ", "").split(";") if "=" in part)
    formats = parts.get("responseformat", "parquet").split(",")
    return Capabilities("parquet" not in formats and "delta" in formats, parts.get("includeendstreamaction") == "true")


def signature(secret: str, stated: str) -> str:
    """Return the signature of a text under the site's secret."""
    digest = hmac.new(secret.encode(), f"delta sharing {stated}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def access_token(secret: str, credential: uuid.UUID, now: dt.datetime) -> str:
    """Return a token that represents a credential for an hour."""
    stated = f"{credential}.{int((now + TOKEN_LASTS).timestamp())}"
    return f"{TOKEN_PREFIX}{stated}.{signature(secret, f'token {stated}')}"


def read_token(secret: str, token: str, now: dt.datetime) -> str | None:
    """Return the credential of a token of ours; None for an altered or an expired one."""
    stated, _, signed = token.removeprefix(TOKEN_PREFIX).rpartition(".")
    if not hmac.compare_digest(signed.encode(), signature(secret, f"token {stated}").encode()):
        return None
    credential, _, until = stated.partition(".")
    return credential if int(until) > now.timestamp() else None


def file_statement(credential: object, entitlement: object, until: int) -> str:
    """Return the text that the signature of a file's address covers."""
    return f"file {credential} {entitlement} {until}"


def check_public_key(pem: str) -> str:
    """Return a public key as PEM: RSA of 2,048 bits or more, or on P-256. Refuses others, and private keys."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 (start-up time)
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415

    try:
        key = serialization.load_pem_public_key(pem.strip().encode())
    except ValueError:
        key = None
    is_rsa = isinstance(key, rsa.RSAPublicKey) and key.key_size >= SMALLEST_RSA
    is_curve = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if key is None or not (is_rsa or is_curve):
        raise Invalid(
            "Paste a public key as PEM: RSA of 2,048 bits or more, or of the curve P-256.", field="public_key"
        )
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def algorithm_of(pem: str) -> str:
    """Return the signature algorithm of assertions under a checked public key."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 (start-up time)
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    return "RS256" if isinstance(serialization.load_pem_public_key(pem.encode()), rsa.RSAPublicKey) else "ES256"


def profile(
    site: str, kind: str, credential: uuid.UUID, *, secret: str, ends_at: dt.datetime, pem: str
) -> dict[str, Any]:
    """Return the profile for the protocol's clients; nothing else has the secret."""
    whole = {"shareCredentialsVersion": 2, "endpoint": f"{site}{PATH}"}
    until = ends_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.0Z")
    if kind == "bearer":
        return whole | {"shareCredentialsVersion": 1, "bearerToken": secret, "expirationTime": until}
    if kind == "basic":
        return whole | {"type": "basic", "username": str(credential), "password": secret}
    key = {"privateKeyFile": "partage-private.pem", "keyId": str(credential), "algorithm": algorithm_of(pem)}
    return whole | {
        "type": "oauth_jwt_bearer_private_key_jwt",
        "auth": {
            "tokenEndpoint": f"{site}{PATH}/oauth/token",
            "issuer": f"{site}{PATH}",
            "clientId": str(credential),
            "privateKey": key,
            "audience": f"{site}{PATH}",
        },
    }


def read_query(data: bytes) -> Query:
    """Return the query in a body; refuses a body that is not such JSON."""
    try:
        return msgspec.json.decode(data or b"{}", type=Query)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("This request is malformed.") from None


def read_page(token: str | None) -> tuple[int, int]:
    """Return the version in a token of ours, and the next file; zeros without a token. Refuses any other text."""
    if not token:
        return 0, 0
    found = existing(PAGE_TOKEN.fullmatch(token), Invalid("This request is malformed."))
    return int(found[1]), int(found[2] or 0)


def is_signed(secret: str, stated: str, signed: str) -> bool:
    """Return whether a text was signed under the site's secret."""
    return hmac.compare_digest(signed.encode(errors="replace"), signature(secret, stated).encode())
