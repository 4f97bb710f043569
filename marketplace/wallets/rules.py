"""What is asked of a wallet, and what its answer must say of a person; pure.

Source: OpenID for Verifiable Presentations 1.0 (5, 6, 8.2, 8.3), OpenID4VC High Assurance Interoperability Profile 1.0
(5, 6.1), Regulation (EU) 2024/2977, annex 1 (the attributes of person identification data).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from marketplace.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

QUERY: Final = "pid"
FORMAT: Final = "dc+sd-jwt"
NUMBER: Final = "personal_administrative_number"
"""The one attribute of person identification data that is somebody's alone; optional to issuers, so some have none."""
LONGEST_NUMBER: Final = 255
WITHOUT_STATUS_SECONDS: Final = 24 * 3600 + 60
"""How long a credential may still last that cannot be withdrawn."""
NO_NUMBER: Final = (
    "Your wallet showed no personal administrative number, so it cannot be told apart here. Sign in with your password."
)
ENCRYPTIONS: Final = ("A256GCM", "A128GCM")


def credential_query(kind: str) -> dict[str, Any]:
    """Return what is asked for, in DCQL: one credential of a type (`vct`), and of it the number alone."""
    asked = {"id": QUERY, "format": FORMAT, "meta": {"vct_values": [kind]}, "claims": [{"path": [NUMBER]}]}
    return {"credentials": [asked]}


def request_claims(
    *, client: str, kind: str, answers: str, state: str, nonce: str, encryption: Mapping[str, Any], now: int
) -> dict[str, Any]:
    """Return what a request says to a wallet.

    client: our name, with its prefix. answers: where the answer is sent. encryption: the public key (JWK) for
    it, of this attempt alone. now: seconds since 1970.
    """
    algorithms = {"sd-jwt_alg_values": ["ES256"], "kb-jwt_alg_values": ["ES256"]}
    return {
        "aud": "https://self-issued.me/v2",
        "client_id": client,
        "response_type": "vp_token",
        "response_mode": "direct_post.jwt",
        "response_uri": answers,
        "state": state,
        "nonce": nonce,
        "iat": now,
        "dcql_query": credential_query(kind),
        "client_metadata": {
            "jwks": {"keys": [dict(encryption)]},
            "encrypted_response_enc_values_supported": list(ENCRYPTIONS),
            "vp_formats_supported": {FORMAT: algorithms},
        },
    }


def wallet_address(client: str, request: str) -> str:
    """Return the link that opens a wallet on this device, which then fetches the request."""
    return f"openid4vp://?{urlencode({'client_id': client, 'request_uri': request})}"


def number_of(claims: Mapping[str, Any], now: int) -> str:
    """Return an issuer's own number for somebody, of a credential that has been verified; refuses Invalid.

    now: seconds since 1970. One that has no end, or that outlasts a day and cannot be withdrawn, is refused: who lost
    their wallet could not stop it. Whether it was withdrawn is known by now.
    """
    ends, number = claims.get("exp"), claims.get(NUMBER)
    if not isinstance(ends, int | float) or (not claims.get("status") and ends > now + WITHOUT_STATUS_SECONDS):
        raise Invalid("This credential cannot be withdrawn. Sign in with your password.")
    if not isinstance(number, str) or not 0 < len(number.strip()) <= LONGEST_NUMBER:
        raise Invalid(NO_NUMBER)
    return number.strip()


def attempt_of(state: str) -> str:
    """Return what an attempt is stored under."""
    return hashlib.sha256(state.encode()).hexdigest()
