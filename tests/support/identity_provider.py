"""A little OpenID Connect provider over HTTP: signs its tokens with joserfc, and gives wrong ones where a test wants them."""

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from marketplace.core import clock

SECRET = "the client's secret"


class IdentityProvider(ThreadingHTTPServer):
    """Signs everybody in as `subject`; `claims` replace those of the next tokens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.subject = "u-1"
        self.claims: dict[str, Any] = {}
        self.named: str | None = None
        """What the document says the issuer is, in place of the address."""
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.published = [self.key]
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def sign_in(self, address: str) -> str:
        """Do what the provider's page does with the address that a browser was sent to; return where it is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["scope"] == "openid"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?code={code}&state={asked['state']}&iss={self.issuer}"

    def token(self, asked: dict[str, str]) -> str:
        now = int(clock.now().timestamp())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": asked["client_id"],
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
        } | self.claims
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def document(self) -> dict[str, str]:
        return {
            "issuer": self.named or self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }

    def exchange(self, form: dict[str, str], credentials: str) -> tuple[int, dict[str, str]]:
        """Give a token for a code, once, to who knows its verifier and the client's secret."""
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or base64.b64decode(credentials).decode() != f"{asked['client_id']}:{SECRET}":
            return 400, {"error": "invalid_grant"}
        shown = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if shown != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"id_token": self.token(asked), "access_token": "x", "token_type": "Bearer"}


class Answers(BaseHTTPRequestHandler):
    """What the provider answers."""

    server: IdentityProvider

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/.well-known/openid-configuration":
            self._send(200, self.server.document())
        else:
            self._send(200, KeySet(self.server.published).as_dict(private=False))  # type: ignore[arg-type]

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self._send(*self.server.exchange(form, self.headers.get("authorization", "").removeprefix("Basic ")))

    def _send(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def providing() -> Iterator[IdentityProvider]:
    """Serve while the block runs."""
    with IdentityProvider() as provider:
        thread = threading.Thread(target=provider.serve_forever, daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            provider.shutdown()
            thread.join()
