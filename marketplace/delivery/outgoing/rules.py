"""Rules of requests to partners' own hosts: allowed addresses, further attempts, and giving up.

Source: Standard Webhooks 1.0 (standardwebhooks.com): waits between attempts that add up to three days.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec import Struct

from marketplace.core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

WAITS: Final = tuple(
    dt.timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""The waits before each attempt after the first, three days and some hours together."""
LONGEST_URL: Final = 500
GONE: Final = 410
PORTS: Final = (443, 8443)
GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")
"""Outside it no address of IPv6 is a public host's."""
SPECIAL: Final = tuple(
    map(
        ipaddress.ip_network,
        [
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "2620:4f:8000::/48",
            "3fff::/20",
        ],
    )
)
"""The ranges that are no public host's, whichever version of Python runs. Source: IANA, special-purpose registries of
IPv4 and IPv6 (RFC 6890), with multicast and what IPv4 reserves.
"""


class Outcome(Struct, frozen=True):
    """The outcome of an attempt: delivered, or the instant of the next one; neither if it is given up."""

    delivered_at: dt.datetime | None
    next_at: dt.datetime | None

    @property
    def is_given_up(self) -> bool:
        """Return whether there is no further attempt and no delivery."""
        return self.delivered_at is None and self.next_at is None


def outcome_of(attempts: int, now: dt.datetime, *, is_delivered: bool, is_final: bool = False) -> Outcome:
    """Return the outcome after so many attempts. is_final: another one is useless."""
    if is_delivered:
        return Outcome(now, None)
    return Outcome(None, now + WAITS[attempts - 1] if attempts <= len(WAITS) and not is_final else None)


def check_url(url: str, networks: str = "") -> str:
    """Return a valid address for webhooks, unchanged; refuses all but HTTPS on its usual ports.

    networks: the operator's own networks, which may also be reached, by HTTP and on any port too.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise Invalid("Write an address that begins with https://.", field="url") from None
    is_private = bool(networks) and parts.scheme in {"http", "https"}
    is_https = parts.scheme == "https" and (port or PORTS[0]) in PORTS
    is_plain = bool(parts.hostname) and not parts.username and not parts.password and not parts.fragment
    if (
        not is_plain
        or not (is_https or is_private)
        or len(url) > LONGEST_URL
        or any(sign <= " " for sign in url.strip())
        or not has_host(url.strip())
    ):
        raise Invalid("Write an address that begins with https://.", field="url")
    return url.strip()


def has_host(url: str) -> bool:
    """Return whether a host can be looked up: no empty or long label, no number past 255, IDNA's letters."""
    import httpx  # noqa: PLC0415 (start-up time)

    try:
        httpx.URL(url).host.encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        return False
    return True


def choose_address(addresses: Sequence[str], networks: str = "") -> str | None:
    """Return the first of a host's addresses, if all are public or in `networks`; None otherwise.

    All of them, since the next attempt at a host could use its private address.
    """
    allowed = [ipaddress.ip_network(part.strip()) for part in networks.split(",") if part.strip()]
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        plain = _plain(address)
        if any(plain.version == network.version and plain in network for network in allowed):
            continue
        is_unicast = plain.version == 4 or plain in GLOBAL_UNICAST  # noqa: PLR2004 (IPv4)
        if not is_unicast or any(plain in network for network in SPECIAL):
            return None
    return addresses[0] if addresses else None


def _plain(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address in a mapped, 6to4, Teredo or NAT64 address of IPv6; others unchanged."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    if address.teredo:
        return address.teredo[1]
    if address in ipaddress.ip_network("64:ff9b::/96") or address in ipaddress.ip_network("::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
