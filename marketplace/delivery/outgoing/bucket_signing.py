"""Requests to S3, signed by AWS Signature Version 4: pure.

Source: AWS, Authenticating Requests (AWS Signature Version 4), with the whole payload's SHA-256 in the signature, so
that a server refuses a body that was changed or truncated.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from msgspec import Struct

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

ALGORITHM: Final = "AWS4-HMAC-SHA256"
NOTHING: Final = hashlib.sha256(b"").hexdigest()
"""The digest of a request without a body."""


class Credentials(Struct, frozen=True):
    """Credentials for a region's S3."""

    key: str
    secret: str
    region: str


def path_of(*parts: str) -> str:
    """Return a path of whole names, each encoded as S3's signatures require."""
    return "/" + "/".join(quote(part, safe="-_.~/") for part in parts)


def signed(
    method: str, path: str, headers: Mapping[str, str], sha256: str, *, credentials: Credentials, at: dt.datetime
) -> dict[str, str]:
    """Return the signed headers of a request.

    headers: at least the host, by lower-case names. sha256: of the body, in hex.
    """
    instant = at.strftime("%Y%m%dT%H%M%SZ")
    all_headers = dict(headers) | {"x-amz-date": instant, "x-amz-content-sha256": sha256}
    names = sorted(all_headers)
    listed = ";".join(names)
    canonical = "\n".join(
        [method, path, "", *(f"{name}:{all_headers[name].strip()}" for name in names), "", listed, sha256]
    )
    scope = f"{instant[:8]}/{credentials.region}/s3/aws4_request"
    to_sign = "\n".join([ALGORITHM, instant, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    authorization = f"{ALGORITHM} Credential={credentials.key}/{scope}, SignedHeaders={listed}, Signature={signature}"
    return all_headers | {"authorization": authorization}
