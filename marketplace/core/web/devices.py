"""A visitor's browser and network: their names for people, and the keys under which attempts are counted."""

from __future__ import annotations

import ipaddress
from typing import Final

IPV4: Final = 4
BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
"""Signs by which browsers name themselves and their systems, the more specific first, each with its common name."""


def device_of(user_agent: str) -> str:
    """Return the browser and system that a user agent names, such as "Firefox, Windows"; '' if it names neither."""
    known = (next((name for sign, name in signs if sign in user_agent), "") for signs in (BROWSERS, SYSTEMS))
    return ", ".join(filter(None, known))


def place_of(address: str) -> str:
    """Return the network of an IP address: its first 24 bits, or 48 of an IPv6 one; '' for no address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((ip, 24 if ip.version == IPV4 else 48), strict=False))


def network_of(address: str) -> str:
    """Return the key for counting attempts: the address, or an IPv6 customer's /64; '' for no address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    if parsed.version == IPV4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
