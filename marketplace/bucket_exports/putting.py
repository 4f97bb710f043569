"""Putting an object into a bucket.

An object is only created, never overwritten: where a process died after S3 had it, the next attempt finds it, sees by size
and digest that it is the same, and is done. What somebody else put there stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.bucket_exports import rules
from marketplace.bucket_exports.signing import NOTHING, path_of, signed
from marketplace.outgoing.reaching import UnreachableError, reaching

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    import httpx

    from marketplace.bucket_exports.signing import Credentials

DONE: Final = ""
"""What `put` answers where the object is there."""
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
    seconds: int = rules.SECONDS,
) -> str:
    """Put an object of `size` bytes and return `DONE`, or what went wrong, in a few words; sha256: of the bytes, in hex."""
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
