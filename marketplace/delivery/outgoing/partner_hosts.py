"""Requests to a partner's host: to the IP address that was looked up and found public, without redirects.

A name is looked up once for each attempt, so that it cannot lead to one address in the check and to another in the
request.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final

from marketplace.core.settings import settings
from marketplace.delivery.outgoing.rules import choose_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Mapping

    import httpx

FORBIDDEN: Final = "the host has an address that is not public"
UNKNOWN: Final = "the host is unknown"
SECONDS: Final = 10
"""How long to wait for the answer to a post."""


class UnreachableError(Exception):
    """There was no answer; the text gives the reason in a few words."""


class Host:
    """A host that is reached by its IP address, under its own name."""

    def __init__(self, client: httpx.AsyncClient, asked: httpx.URL, address: str) -> None:
        """Use `address`, to which the name in `asked` resolves."""
        self.client, self.asked, self.address = client, asked, address

    @property
    def name(self) -> str:
        """Return its name with its port, as in a request."""
        return self.asked.netloc.decode()

    async def ask(
        self,
        method: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] | None = None,
        *,
        path: str | None = None,
    ) -> httpx.Response:
        """Send a request, and return the answer's head; its body is not read. path: instead of the address's own."""
        changed = {} if path is None else {"raw_path": path.encode()}
        request = self.client.build_request(
            method,
            self.asked.copy_with(host=self.address, **changed),
            content=body,
            headers={**headers, "host": self.name},
            extensions={"sni_hostname": self.asked.host},
        )
        answer = await self.client.send(request, stream=True)
        await answer.aclose()
        return answer


@contextlib.asynccontextmanager
async def reaching(url: str, seconds: float) -> AsyncIterator[Host]:
    """Yield the host of an address for so many seconds; `UnreachableError` if it is not public or a request fails."""
    import httpx  # noqa: PLC0415 (start-up time)

    try:
        asked = httpx.URL(url)
        async with asyncio.timeout(seconds):
            port = asked.port or (443 if asked.scheme == "https" else 80)
            found: list[Any] = await asyncio.get_running_loop().getaddrinfo(asked.host, port, type=socket.SOCK_STREAM)
            address = choose_address([str(each[4][0]) for each in found], settings().webhook_networks)
            if address is None:
                raise UnreachableError(FORBIDDEN)
            async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=seconds) as client:
                yield Host(client, asked, address)
    except (socket.gaierror, UnicodeError, httpx.InvalidURL):  # UnicodeError: hosts that cannot be looked up at all
        raise UnreachableError(UNKNOWN) from None
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        raise UnreachableError(type(error).__name__) from None


async def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds: float = SECONDS) -> tuple[int, str]:
    """Post; return the status, or 0 without one, and what happened. Reads only the answer's status."""
    try:
        async with reaching(url, seconds) as host:
            answer = await host.ask("POST", headers, body)
    except UnreachableError as why:
        return 0, str(why)
    return answer.status_code, f"HTTP {answer.status_code}"
