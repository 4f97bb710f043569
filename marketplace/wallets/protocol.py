"""What is said to a wallet and what it answers: the signed request, and whether an encrypted answer is right.

Nothing is stored before an answer is right: what an attempt needs follows from its `state` and the site's secret.
`openvc` verifies: the issuer's signature and certificate, the disclosures, the holder's key over our nonce and name, the
time and the withdrawal. Issuers are found by their certificate alone, never by an address or a key that a wallet names.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, Final

import structlog

from marketplace import clock
from marketplace.errors import Expired, Invalid
from marketplace.messages.links import link_token
from marketplace.settings import settings
from marketplace.wallets.rules import QUERY, credential_query, number_of, request_claims

if TYPE_CHECKING:
    from collections.abc import Callable

    from openvc.keys import P256KeyAgreementKey

    from marketplace.wallets.relying_party import RelyingParty

LASTS_SECONDS: Final = 600
LEEWAY_SECONDS: Final = 60
ORDER_OF_P256: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NOT_ACCEPTED: Final = "The answer of your wallet cannot be accepted. Try again, or sign in with your password."
TOO_LATE: Final = "This sign-in took too long; begin again."
log = structlog.get_logger(__name__)


# What follows from an attempt -----------------------------------------------------------------------------------------


def address_of(state: str, began: int) -> str:
    """Return the part of an address by which a wallet names an attempt; began: seconds since 1970."""
    return f"{state}.{began}.{link_token('wallet request', f'{state}.{began}')}"


def read_address(given: str) -> str:
    """Return the `state` of an attempt by its address; refuses Expired where it is not ours, or over."""
    named, _, token = given.rpartition(".")
    state, _, began = named.partition(".")
    if not given.isascii() or not hmac.compare_digest(token, link_token("wallet request", named)):
        raise Expired(TOO_LATE)
    if int(clock.now().timestamp()) - int(began) > LASTS_SECONDS:
        raise Expired(TOO_LATE)
    return state


def code_of(state: str) -> str:
    """Return what the wallet brings to the browser, once its answer is right."""
    return link_token("wallet code", state)


def _nonce(state: str) -> str:
    return link_token("wallet nonce", state)


def _encryption_key(state: str) -> P256KeyAgreementKey:
    """Return the key that the answer to one attempt is encrypted to."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 (start-up time)
    from openvc.keys import P256KeyAgreementKey  # noqa: PLC0415

    drawn = int.from_bytes(hashlib.sha512(link_token("wallet key", state).encode()).digest(), "big")
    return P256KeyAgreementKey(ec.derive_private_key(1 + drawn % (ORDER_OF_P256 - 1), ec.SECP256R1()), "answers")


# The request and its answer -------------------------------------------------------------------------------------------


def make_request(party: RelyingParty, state: str, answers: str) -> str:
    """Return the signed request of an attempt (JWT); answers: where the answer is sent."""
    from joserfc import jwt  # noqa: PLC0415 (start-up time)
    from joserfc.jwk import ECKey  # noqa: PLC0415

    key = _encryption_key(state)
    claims = request_claims(
        client=party.client,
        kind=party.kind,
        answers=answers,
        state=state,
        nonce=_nonce(state),
        encryption=key.public_jwk() | {"kid": key.kid, "alg": "ECDH-ES"},
        now=int(clock.now().timestamp()),
    )
    header = {"alg": "ES256", "typ": "oauth-authz-req+jwt", "x5c": list(party.chain)}
    return jwt.encode(header, claims, ECKey.import_key(party.key))


def check_answer(party: RelyingParty, state: str, answer: str, fetch: Callable[[str], str] | None = None) -> str:
    """Return the subject that a wallet showed: a hash, 64 hex digits, of the issuer and its number for somebody.

    answer: what came, encrypted. fetch: returns what is at the https address of a list of withdrawn credentials; it may
    wait for the network, so this runs outside the event loop. Refuses Invalid.
    """
    from openvc.did.base import DidResolverRegistry  # noqa: PLC0415 (start-up time)
    from openvc.errors import OpenvcError  # noqa: PLC0415
    from openvc.fetch import https_text_fetch  # noqa: PLC0415
    from openvc.openid4vp import verify_vp_token  # noqa: PLC0415

    try:
        verified = verify_vp_token(
            _open(state, answer),
            dcql_query=credential_query(party.kind),
            nonce=_nonce(state),
            client_id=party.client,
            resolver=DidResolverRegistry(),
            x5c_trust_anchors=party.anchors,
            resolve_status_list_token=lambda address: _read_list(party, address, fetch or https_text_fetch),
            require_status=True,
            now=clock.now(),
            leeway_s=LEEWAY_SECONDS,
        )
        (shown,) = verified.for_query(QUERY)
        (credential,) = shown.credentials
    except (OpenvcError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        log.warning("wallet's answer refused", why=type(problem).__name__)
        raise Invalid(NOT_ACCEPTED) from None
    number = number_of(credential.claims, int(clock.now().timestamp()))
    named = f"wallet subject {json.dumps([credential.issuer, number])}"
    return hmac.new(settings().secret.encode(), named.encode(), hashlib.sha256).hexdigest()


def _open(state: str, answer: str) -> Any:  # noqa: ANN401 (what a stranger sent)
    """Return the `vp_token` of an encrypted answer; raises as its parts do where it is none to this attempt."""
    from openvc.jwe import decrypt_compact  # noqa: PLC0415 (start-up time)

    sent = json.loads(decrypt_compact(answer, key=_encryption_key(state)))
    if sent["state"] != state:
        raise ValueError("it names another attempt")
    return sent["vp_token"]


def _read_list(party: RelyingParty, address: str, fetch: Callable[[str], str]) -> dict[str, Any]:
    """Return what a list of withdrawn credentials says, signed by whom we believe as we believe issuers."""
    from openvc.status import verify_status_list_token  # noqa: PLC0415
    from openvc.x5c import leaf_public_jwk, load_x5c_chain, validate_cert_chain  # noqa: PLC0415

    token = fetch(address).strip()
    first = token.partition(".")[0]
    header = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    chain = load_x5c_chain(header["x5c"])
    validate_cert_chain(chain[0], chain[1:], trust_anchors=party.anchors, now=clock.now())
    return verify_status_list_token(
        token,
        public_key_jwk=leaf_public_jwk(chain[0]),
        expected_uri=address,
        leeway_s=LEEWAY_SECONDS,
        now=clock.now(),
    )
