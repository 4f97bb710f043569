"""Putting an object into a bucket: by the very IP address that was looked up and found to be public, never redirected.

An object is only created, never overwritten: where a process died after S3 had it, the next attempt finds it, sees by size
and digest that it is the same, and is done. What somebody else put there stays.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final

from marketplace import clock
from marketplace.bucket_exports import rules
from marketplace.bucket_exports.signing import NOTHING, path_of, signed
from marketplace.notifications.posting import FORBIDDEN, UNKNOWN
from marketplace.notifications.rules import choose_address
from marketplace.settings import settings

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
    import httpx  # noqa: PLC0415 (start-up time)

    try:
        asked = httpx.URL(endpoint)
        async with asyncio.timeout(seconds):
            address = await _public_address(asked)
            if address is None:
                return FORBIDDEN
            async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=seconds) as client:
                server = _Server(client, asked, address, path_of(bucket, name), credentials)
                stated = {"content-length": str(size), "if-none-match": "*", "x-amz-meta-sha256": sha256}
                answer = await server.ask("PUT", stated, sha256, body)
                if answer.is_success:
                    return DONE
                if answer.status_code == EXISTS:
                    there = await server.ask("HEAD", {}, NOTHING)
                    found = (there.headers.get("content-length"), there.headers.get("x-amz-meta-sha256"))
                    return DONE if there.is_success and found == (str(size), sha256) else OTHER
                return f"HTTP {answer.status_code}"
    except (socket.gaierror, UnicodeError, httpx.InvalidURL):  # the latter of hosts that cannot be looked up at all
        return UNKNOWN
    except (OSError, httpx.HTTPError, TimeoutError) as error:
        return type(error).__name__


async def _public_address(asked: httpx.URL) -> str | None:
    """Return an address of a host whose addresses are all public, or allowed by a setting."""
    port = asked.port or (443 if asked.scheme == "https" else 80)
    found: list[Any] = await asyncio.get_running_loop().getaddrinfo(asked.host, port, type=socket.SOCK_STREAM)
    return choose_address([str(each[4][0]) for each in found], settings().webhook_networks)


class _Server:
    """One object of one server, asked by its IP address."""

    def __init__(
        self, client: httpx.AsyncClient, asked: httpx.URL, address: str, path: str, credentials: Credentials
    ) -> None:
        self.client, self.asked, self.address, self.path, self.credentials = client, asked, address, path, credentials

    async def ask(
        self, method: str, headers: dict[str, str], sha256: str, body: AsyncIterable[bytes] | None = None
    ) -> httpx.Response:
        """Ask, and return the answer's head; nothing of its body is kept."""
        host = self.asked.netloc.decode()
        all_headers = signed(
            method, self.path, headers | {"host": host}, sha256, credentials=self.credentials, at=clock.now()
        )
        request = self.client.build_request(
            method,
            self.asked.copy_with(host=self.address, raw_path=self.path.encode()),
            content=body,
            headers=all_headers,
            extensions={"sni_hostname": self.asked.host},
        )
        answer = await self.client.send(request, stream=True)
        await answer.aclose()
        return answer
