"""A consent receipt in formats for others: the fields of ISO/IEC TS 27560, as a signed JWT and as an SD-JWT VC. Pure.

Both state what the record states and nothing more, and the same record always gives the same bytes: a salt follows from
the signature of what it hides. Any JOSE library verifies them with the operator's public key.
Sources: ISO/IEC TS 27560:2023, RFC 7515 (JWS), RFC 9864 (Ed25519), RFC 9901 (SD-JWT), draft-ietf-oauth-sd-jwt-vc.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from marketplace.core.signing import public_key, sign

if TYPE_CHECKING:
    from marketplace.consent.purposes.rules import Receipt

SCHEMA: Final = "ISO/IEC TS 27560:2023"
HIDEABLE: Final = ("pii_principal_id", "processing", "event")
"""The claims of an SD-JWT that its holder may hide, one by one."""


def claims(receipt: Receipt, issuer: str, withdrawal: str) -> dict[str, Any]:
    """Return the record in the standard's fields; issuer: the operator's address, withdrawal: the withdrawal page."""
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in (receipt.text_fr, receipt.text_en)]
    state = "given" if receipt.given else "withdrawn"
    covers = {} if receipt.covers is None else {"scope": json.loads(receipt.covers)}
    return {
        "iss": issuer,
        "iat": int(receipt.at.timestamp()),
        "jti": str(receipt.receipt),
        "schema_version": SCHEMA,
        "record_id": str(receipt.receipt),
        "pii_principal_id": str(receipt.subscriber),
        "processing": {
            "privacy_notice": {"version": receipt.version, "sha256": digests},
            "language": ["fr", "en"],
            "purposes": [
                {
                    "purpose": receipt.purpose,
                    "lawful_basis": "consent",
                    "pii_information": [{"pii_type": "where and when a mobile line was seen"}],
                    "pii_controllers": ["operator"],
                    "collection_method": receipt.channel,
                    "withdrawal_method": withdrawal,
                    "validity_duration": "until withdrawn",
                    **covers,
                }
            ],
        },
        "party_identification": [{"party_id": "operator", "party_role": "pii controller", "party_url": issuer}],
        "event": [
            {
                "event_time": receipt.at.isoformat(timespec="microseconds"),
                "event_type": "explicit consent",
                "event_state": state,
                "entity_id": str(receipt.subscriber),
            }
        ],
    }


def as_jwt(stated: dict[str, Any], signing_key: str, kind: str = "JWT") -> str:
    """Return claims as a compact JWS; kind: the header's `typ`."""
    header = {"alg": "Ed25519", "typ": kind, "kid": key_id(signing_key)}
    signed = f"{_text(rfc8785.dumps(header))}.{_text(rfc8785.dumps(stated))}"
    return f"{signed}.{_text(sign(signed.encode(), signing_key))}"


def as_sd_jwt(stated: dict[str, Any], signing_key: str) -> str:
    """Return claims as an SD-JWT VC in which each of HIDEABLE is disclosed; its holder can leave any of them out."""
    disclosures = []
    for name in HIDEABLE:
        secret = sign(b"salt " + rfc8785.dumps([stated["jti"], name, stated[name]]), signing_key)
        salt = _text(hashlib.sha256(secret).digest()[:16])
        disclosures.append(_text(json.dumps([salt, name, stated[name]], ensure_ascii=False).encode()))
    digests = sorted(_text(hashlib.sha256(disclosure.encode()).digest()) for disclosure in disclosures)
    open_claims = {name: value for name, value in stated.items() if name not in HIDEABLE}
    hidden = {"vct": f"{stated['iss']}/credentials/consent-receipt", "_sd_alg": "sha-256", "_sd": digests}
    return "~".join([as_jwt(open_claims | hidden, signing_key, "dc+sd-jwt"), *disclosures, ""])


def key_set(signing_key: str) -> dict[str, Any]:
    """Return the public key as a JSON Web Key Set."""
    key = {"kty": "OKP", "crv": "Ed25519", "x": _text(public_key(signing_key))}
    return {"keys": [key | {"kid": key_id(signing_key), "use": "sig", "alg": "Ed25519"}]}


def key_id(signing_key: str) -> str:
    """Return the key's id: its thumbprint. Source: RFC 7638."""
    key = {"crv": "Ed25519", "kty": "OKP", "x": _text(public_key(signing_key))}
    return _text(hashlib.sha256(rfc8785.dumps(key)).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
