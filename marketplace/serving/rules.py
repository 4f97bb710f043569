"""How often a caller may ask: so many requests in a window, all at once or evenly, remembered in one number a caller.

The generic cell rate algorithm: a caller's number is the instant at which all that it asked would have been asked, had
it asked evenly. A caller may run ahead of the clock by one window.

Source: ITU-T I.371 (the algorithm), draft-ietf-httpapi-ratelimit-headers-10 (what callers read of it).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

from msgspec import Struct

WINDOW_SECONDS: Final = 60
MOST_CALLERS: Final = 65_536
"""Remembered at once, about 10 MB: the one that asked longest ago is forgotten first, and begins anew."""

ROUNDING: Final = 1e-6
"""A millionth of a second: what sums of floats may be off by."""


class Allowance(Struct, frozen=True):
    """What a caller has left, and how long it must wait: 0 where it may ask."""

    remaining: int
    reset_seconds: int
    """Until all of the window is there again."""
    wait_seconds: int


class Limiter:
    """So many requests a window and caller, in memory: each process of the site counts its own."""

    def __init__(self, quota: int, most_callers: int = MOST_CALLERS) -> None:
        """Allow `quota` requests a minute, at least one."""
        assert quota > 0, "no limit is no limiter"
        self.quota, self.most_callers = quota, most_callers
        self.interval = WINDOW_SECONDS / quota
        self.callers: OrderedDict[object, float] = OrderedDict()

    def ask(self, caller: object, now: float) -> Allowance:
        """Count one request of `caller` at `now`, seconds of a clock that never goes back, unless it must wait."""
        asked_until = max(self.callers.pop(caller, now), now)
        ahead = asked_until - now
        refused = ahead > WINDOW_SECONDS - self.interval + ROUNDING
        if not refused:
            ahead += self.interval
        self.callers[caller] = now + ahead
        if len(self.callers) > self.most_callers:
            self.callers.popitem(last=False)
        return Allowance(
            max(int((WINDOW_SECONDS - ahead) / self.interval + ROUNDING), 0),
            math.ceil(ahead),
            math.ceil(ahead - (WINDOW_SECONDS - self.interval)) if refused else 0,
        )


def address_of(host: str) -> str:
    """Return what counts as one address: an IPv4 address, or the first 64 bits of an IPv6 one, which one line has to itself."""
    if ":" not in host:
        return host
    import ipaddress  # noqa: PLC0415 (few callers need it)

    try:
        whole = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if whole.ipv4_mapped:
        return str(whole.ipv4_mapped)
    return str(ipaddress.IPv6Network((whole, 64), strict=False))
