"""Asking a partner's host: by the very IP address that was looked up and found to be public, never redirected.

What a name leads to is looked up once an attempt, so that it cannot lead to one address while it is checked and to another
while it is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final

from marketplace.outgoing.rules import choose_address
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Mapping

    import httpx

FORBIDDEN: Final = "the host has an address that is not public"
UNKNOWN: Final = "the host is unknown"
SECONDS: Final = 10
"""How long we wait for the answer to a post."""


class UnreachableError(Exception):
    """Nothing was answered; the text says why, in a few words."""


class Host:
    """A host, asked by its IP address, under its own name."""

    def __init__(self, client: httpx.AsyncClient, asked: httpx.URL, address: str) -> None:
        """Ask `address`, which the name of `asked` leads to."""
        self.client, self.asked, self.address = client, asked, address

    @property
    def name(self) -> str:
        """Return its name with its port, as a request states it."""
        return self.asked.netloc.decode()

    async def ask(
        self,
        method: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] | None = None,
        *,
        path: str | None = None,
    ) -> httpx.Response:
        """Ask, and return the answer's head; nothing of its body is read. path: instead of the address's own."""
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
    """Yield the host of an address for so many seconds; `UnreachableError` where it is not public, or what is asked fails."""
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
    except (socket.gaierror, UnicodeError, httpx.InvalidURL):  # the latter of hosts that cannot be looked up at all
        raise UnreachableError(UNKNOWN) from None
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        raise UnreachableError(type(error).__name__) from None


async def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds: float = SECONDS) -> tuple[int, str]:
    """Post, and return the status, 0 without one, and what happened; reads nothing of the answer but its status."""
    try:
        async with reaching(url, seconds) as host:
            answer = await host.ask("POST", headers, body)
    except UnreachableError as why:
        return 0, str(why)
    return answer.status_code, f"HTTP {answer.status_code}"
