"""Put an object into a bucket.

An object is created and never overwritten. If a process died after S3 had the object, the next attempt finds it,
compares size and digest, and is done. Somebody else's object stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.core import clock
from marketplace.delivery.outgoing import bucket_rules
from marketplace.delivery.outgoing.bucket_signing import NOTHING, path_of, signed
from marketplace.delivery.outgoing.partner_hosts import UnreachableError, reaching

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    import httpx

    from marketplace.delivery.outgoing.bucket_signing import Credentials

DONE: Final = ""
"""The answer of `put` if the object is there."""
EXISTS: Final = 412
OTHER: Final = "another object of that name is there"


async def put(
    endpoint: str,
    bucket: str,
    name: str,
    body: AsyncIterable[bytes],
    *,
    size: int,
    sha256: str,
    credentials: Credentials,
    seconds: int = bucket_rules.SECONDS,
) -> str:
    """Put an object of `size` bytes; return `DONE`, or the failure in a few words. sha256: of the bytes, in hex."""
    try:
        async with reaching(endpoint, seconds) as host:
            path = path_of(bucket, name)

            async def ask(
                method: str, headers: dict[str, str], sha256: str, body: AsyncIterable[bytes] | None = None
            ) -> httpx.Response:
                all_headers = headers | {"host": host.name}
                stated = signed(method, path, all_headers, sha256, credentials=credentials, at=clock.now())
                return await host.ask(method, stated, body, path=path)

            stated = {"content-length": str(size), "if-none-match": "*", "x-amz-meta-sha256": sha256}
            answer = await ask("PUT", stated, sha256, body)
            if answer.is_success:
                return DONE
            if answer.status_code == EXISTS:
                there = await ask("HEAD", {}, NOTHING)
                found = (there.headers.get("content-length"), there.headers.get("x-amz-meta-sha256"))
                return DONE if there.is_success and found == (str(size), sha256) else OTHER
            return f"HTTP {answer.status_code}"
    except UnreachableError as why:
        return str(why)
