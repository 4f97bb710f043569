"""Who we are to a wallet, by the operator's files: our access certificate and its key, and whose credentials we believe."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import Final

from msgspec import Struct

from marketplace.errors import Invalid
from marketplace.settings import settings

NAMES: Final = "PARTAGE_WALLET_CERTIFICATE, PARTAGE_WALLET_KEY and PARTAGE_WALLET_ANCHORS"


class RelyingParty(Struct, frozen=True):
    """Us, to a wallet."""

    client: str
    """Our name: the hash of our certificate, with the prefix that says so."""
    chain: tuple[str, ...]
    """Our certificate first, then those that lead from it to the register's; DER in base64."""
    key: str
    """The certificate's private key, as PEM."""
    anchors: tuple[object, ...]
    """Certificates of who may sign credentials, or certificates of those who do."""
    kind: str
    """The type (`vct`) of credentials that we accept."""


def find_party() -> RelyingParty | None:
    """Return who we are to wallets; None where the operator has not said so. Refuses Invalid where files are wrong."""
    chosen = settings()
    return _read(chosen.wallet_certificate, chosen.wallet_key, chosen.wallet_anchors, chosen.wallet_type)


@functools.cache
def _read(certificate: str, key: str, anchors: str, kind: str) -> RelyingParty | None:
    if not (certificate or key or anchors):
        return None
    if not (certificate and key and anchors and kind):
        raise Invalid("Signing in by wallet needs all of {names}, or none.", names=NAMES)
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 (start-up time)
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key  # noqa: PLC0415
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415

    try:
        chain = load_pem_x509_certificates(Path(certificate).read_bytes())
        private = load_pem_private_key(Path(key).read_bytes(), password=None)
        trusted = load_pem_x509_certificates(Path(anchors).read_bytes())
    except (OSError, ValueError, TypeError) as problem:
        raise Invalid("{names} must name PEM files: {why}.", names=NAMES, why=type(problem).__name__) from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise Invalid("PARTAGE_WALLET_KEY must be a key on the curve P-256.")
    if chain[0].public_key() != private.public_key():
        raise Invalid("PARTAGE_WALLET_KEY is not the key of the first certificate of PARTAGE_WALLET_CERTIFICATE.")
    encoded = [one.public_bytes(Encoding.DER) for one in chain]
    digest = base64.urlsafe_b64encode(hashlib.sha256(encoded[0]).digest()).decode().rstrip("=")
    return RelyingParty(
        client=f"x509_hash:{digest}",
        chain=tuple(base64.b64encode(one).decode() for one in encoded),
        key=Path(key).read_text(),
        anchors=tuple(trusted),
        kind=kind,
    )
