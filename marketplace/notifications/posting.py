"""Posting to an address of a partner's: by the very IP address that was looked up and found to be public, never redirected.

What a name leads to is looked up once an attempt, so that it cannot lead to one address while it is checked and to another
while it is asked.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final

from marketplace.notifications import rules
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

FORBIDDEN: Final = "the host has an address that is not public"
UNKNOWN: Final = "the host is unknown"


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    """Post, and return the status, 0 without one, and what happened; reads nothing of the answer but its status."""
    import httpx  # noqa: PLC0415 (start-up time)

    networks = settings().webhook_networks
    try:
        asked = httpx.URL(url)
        async with asyncio.timeout(rules.SECONDS):
            loop, port = asyncio.get_running_loop(), asked.port or (443 if asked.scheme == "https" else 80)
            found: list[Any] = await loop.getaddrinfo(asked.host, port, type=socket.SOCK_STREAM)
            address = rules.choose_address([str(each[4][0]) for each in found], networks)
            if address is None:
                return 0, FORBIDDEN
            async with (
                httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=rules.SECONDS) as client,
                client.stream(
                    "POST",
                    asked.copy_with(host=address),
                    content=body,
                    headers={**headers, "host": asked.netloc.decode()},
                    extensions={"sni_hostname": asked.host},
                ) as answer,
            ):
                return answer.status_code, f"HTTP {answer.status_code}"
    except (socket.gaierror, UnicodeError, httpx.InvalidURL):  # the latter of hosts that cannot be looked up at all
        return 0, UNKNOWN
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        return 0, type(error).__name__
