"""Identity providers, as the setting lists them, and the rules for an ID token; pure.

Source: OpenID Connect Core 1.0 (2.0 and 3.1.3.7), RFC 7636 (PKCE), RFC 9207 (iss).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from marketplace.core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
"""Allowed signatures of an ID token: none that needs a secret of ours, and never an unsigned token."""
LEEWAY_SECONDS: Final = 60
"""How far two clocks may differ."""
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Provider(Struct, frozen=True, forbid_unknown_fields=True):
    """An identity provider from the setting; `partner`: whose people it is for, None for the operator's staff."""

    code: str
    name: str
    issuer: str
    client_id: str
    client_secret: str = ""
    partner: uuid.UUID | None = None

    def is_for(self, partner: uuid.UUID | None, role: str | None) -> bool:
        """Return whether a person of this partner, or of the staff with this role, signs in with it."""
        return role is not None if self.partner is None else partner == self.partner

    def callback(self, site: str) -> str:
        """Return the address that the provider sends people back to; it is registered there."""
        return f"{site}/sign-in/with/{self.code}/callback"


@functools.cache
def read_providers(text: str) -> dict[str, Provider]:
    """Return the providers of the setting by code; refuses Invalid, naming no secret."""
    try:
        providers = msgspec.json.decode(text, type=list[Provider]) if text else []
    except msgspec.DecodeError as problem:
        raise Invalid(
            "PARTAGE_IDENTITY_PROVIDERS is not a JSON list of providers: {why}.", why=str(problem)[:200]
        ) from None
    for one in providers:
        if not (one.code.isascii() and one.code.replace("-", "").isalnum() and one.name and one.client_id):
            raise Invalid(
                "Each of PARTAGE_IDENTITY_PROVIDERS needs a code of letters and digits, a name and a client_id."
            )
        if not is_safe(one.issuer):
            raise Invalid("The issuer of each of PARTAGE_IDENTITY_PROVIDERS must be an https address.")
    if len({one.code for one in providers}) < len(providers) or len({one.issuer for one in providers}) < len(providers):
        raise Invalid("PARTAGE_IDENTITY_PROVIDERS names a code or an issuer twice.")
    return {one.code: one for one in providers}


def is_safe(address: str) -> bool:
    """Return whether traffic to an address is confidential: https, or a program on this machine."""
    parts = urlsplit(address)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


def challenge_of(verifier: str) -> str:
    """Return the hash that the provider sees before the verifier itself (S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def authorisation_address(
    endpoint: str, provider: Provider, *, callback: str, state: str, nonce: str, verifier: str
) -> str:
    """Return the address to which the browser is sent to sign in."""
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": callback,
        "scope": "openid",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"


def check_audience(claims: Mapping[str, Any], client_id: str) -> bool:
    """Return whether a token is for us alone, or names us as the authorised party."""
    audience = claims.get("aud")
    return audience in (client_id, [client_id]) or claims.get("azp") == client_id
