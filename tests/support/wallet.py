"""A little European wallet and the issuer of its credential, in joserfc: shows what a request asks, or something wrong."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import secrets
import time
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from joserfc import jwe, jws, jwt
from joserfc.jwk import ECKey

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "https://pid.example"
NUMBER = "personal_administrative_number"


def encoded(data: bytes | str | dict[str, Any] | list[Any]) -> str:
    """Return base64url without its end, of bytes, a text or JSON."""
    plain = data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode()
    return base64.urlsafe_b64encode(plain).decode().rstrip("=")


def hashed(text: str) -> str:
    """Return the SHA-256 of a text, in base64url."""
    return encoded(hashlib.sha256(text.encode()).digest())


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Authority:
    """Somebody with a root certificate, who gives certificates for names."""

    def __init__(self) -> None:
        """Make the root."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._certificate("root", self.key, "root", is_root=True)

    def _certificate(
        self, name: str, key: ec.EllipticCurvePrivateKey, address: str, *, is_root: bool = False
    ) -> x509.Certificate:
        now, mine = dt.datetime.now(dt.UTC), x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        called = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, "root")]
        made = (
            x509.CertificateBuilder()
            .subject_name(called[0])
            .issuer_name(called[1])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=90))
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(mine, critical=False)
        )
        signs = {"digital_signature": not is_root, "key_cert_sign": is_root, "crl_sign": is_root}
        other = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        made = made.add_extension(x509.KeyUsage(**signs, **other), critical=True)
        if not is_root:
            names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(address)])
            made = made.add_extension(names, critical=False)
        return made.sign(self.key, hashes.SHA256())

    def give(self, address: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Return a certificate for an address, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._certificate("leaf", key, address), key

    def sign(self, header: dict[str, Any], claims: dict[str, Any], address: str = ISSUER) -> str:
        """Return a token signed by who has a certificate for an address."""
        leaf, key = self.give(address)
        chain = [base64.b64encode(leaf.public_bytes(Encoding.DER)).decode()]
        return signed({"x5c": chain} | header, claims, ECKey.import_key(pem_of(key)))


def signed(header: dict[str, Any], claims: dict[str, Any], key: ECKey) -> str:
    """Return a compact token; a header of None is left out."""
    kept = {name: value for name, value in ({"alg": "ES256"} | header).items() if value is not None}
    return jws.serialize_compact(kept, json.dumps(claims), key)


class Wallet:
    """Somebody's wallet with one credential of an issuer under `authority`; `wrong` changes what it shows next.

    wrong: `claims` and `header` of the credential and `kb` of the key binding are merged in; `sent` into what is
    encrypted; `other` signs in the authority's place, `own_issuer` the wallet itself; `alter` changes a disclosure after it was signed.
    """

    def __init__(self, authority: Authority, number: str | None = "FR-1977-04") -> None:
        """Make its key."""
        self.authority, self.number, self.key = authority, number, ECKey.generate_key("P-256")
        self.asked: dict[str, Any] = {}

    def read(self, request: str) -> dict[str, Any]:
        """Check a request's signature and that its name is its certificate's, and return what it says."""
        header = json.loads(base64.urlsafe_b64decode(request.partition(".")[0] + "=="))
        assert header["typ"] == "oauth-authz-req+jwt"
        der = base64.b64decode(header["x5c"][0])
        key = ECKey.import_key(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode())
        registry = jws.JWSRegistry(algorithms=["ES256"])
        registry.max_header_length = 1 << 14
        asked = jwt.decode(request, key, registry=registry).claims
        assert asked["client_id"] == f"x509_hash:{encoded(hashlib.sha256(der).digest())}"
        self.asked = dict(asked)
        return self.asked

    def show(self, asked: dict[str, Any], **wrong: Any) -> str:
        """Return the presentation that a request asks for."""
        now = int(time.time())
        (query,) = asked["dcql_query"]["credentials"]
        hidden = {"family_name": "Martin"} | ({NUMBER: self.number} if self.number else {})
        secret = [encoded([secrets.token_urlsafe(16), name, value]) for name, value in hidden.items()]
        claims = {
            "iss": ISSUER,
            "vct": query["meta"]["vct_values"][0],
            "iat": now - 60,
            "exp": now + 3600,
            "cnf": {"jwk": self.key.as_dict(private=False)},
            "_sd": [hashed(one) for one in secret],
            "_sd_alg": "sha-256",
        }
        header = {"typ": "dc+sd-jwt"} | wrong.get("header", {})
        if "own_issuer" in wrong:
            own = f"did:jwk:{encoded(self.key.as_dict(private=False))}"
            issued = signed(header | {"kid": f"{own}#0"}, claims | {"iss": own}, self.key)
        else:
            issued = wrong.get("other", self.authority).sign(header, claims | wrong.get("claims", {}))
        shown = [
            one for one, name in zip(secret, hidden, strict=True) if [name] in [c["path"] for c in query["claims"]]
        ]
        if "alter" in wrong:
            shown = [
                encoded(
                    [
                        wrong["alter"] if part == self.number else part
                        for part in json.loads(base64.urlsafe_b64decode(one + "=="))
                    ]
                )
                for one in shown
            ]
        presented = "~".join([issued, *shown, ""])
        binding = {"iat": now, "aud": asked["client_id"], "nonce": asked["nonce"], "sd_hash": hashed(presented)}
        key = wrong.get("key", self.key)
        return presented + ("" if "unbound" in wrong else signed({"typ": "kb+jwt"}, binding | wrong.get("kb", {}), key))

    def answer(self, asked: dict[str, Any], **wrong: Any) -> str:
        """Return what it posts: the presentation, encrypted to the request's key."""
        sent = {"vp_token": {"pid": [self.show(asked, **wrong)]}, "state": asked["state"]} | wrong.get("sent", {})
        (key,) = asked["client_metadata"]["jwks"]["keys"]
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": key["kid"]}
        return jwe.encrypt_compact(header, json.dumps(sent), ECKey.import_key(key), algorithms=["ECDH-ES", "A256GCM"])


def request_of(page: str) -> str:
    """Return the address of the request that a page's link gives to a wallet."""
    link = page.partition('href="openid4vp://')[2].partition('"')[0].replace("&amp;", "&")
    return parse_qs(urlsplit(f"openid4vp://{link}").query)["request_uri"][0]


def list_of_withdrawn(authority: Authority, address: str, *indexes: int, **wrong: Any) -> str:
    """Return a token of a list of 64 credentials, of which those are withdrawn."""
    packed = bytearray(8)
    for index in indexes:
        packed[index // 8] |= 1 << (index % 8)
    listed = {"bits": 1, "lst": encoded(zlib.compress(bytes(packed)))}
    claims = {"sub": address, "iat": int(time.time()), "status_list": listed} | wrong
    return authority.sign({"typ": "statuslist+jwt"}, claims)


def settle(folder: Path, authority: Authority) -> dict[str, str]:
    """Write the files of a relying party and return the settings that name them."""
    certificate, key = Authority().give("https://partage.example")
    written = {
        "PARTAGE_WALLET_CERTIFICATE": certificate.public_bytes(Encoding.PEM),
        "PARTAGE_WALLET_KEY": pem_of(key),
        "PARTAGE_WALLET_ANCHORS": authority.root.public_bytes(Encoding.PEM),
    }
    for name, content in written.items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in written}
