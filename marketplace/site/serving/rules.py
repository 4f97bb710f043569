"""Limits on requests: so many in a window, in bursts or evenly, stored as one number for each caller.

The generic cell rate algorithm: a caller's number is the instant at which all its requests would have been made at an
even pace. A caller may run ahead of the clock by one window.

Source: ITU-T I.371 (the algorithm), draft-ietf-httpapi-ratelimit-headers-10 (the headers).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

from msgspec import Struct

WINDOW_SECONDS: Final = 60
MOST_CALLERS: Final = 65_536
"""Callers stored at a time, about 10 MB: the one with the oldest request is removed first, and starts again."""

ROUNDING: Final = 1e-6
"""A microsecond, the possible error of sums of floats."""


class Allowance(Struct, frozen=True):
    """A caller's remaining requests, and how long it must wait: 0 if it may make a request."""

    remaining: int
    reset_seconds: int
    """Until the whole window is available again."""
    wait_seconds: int


class Limiter:
    """So many requests for each window and caller, in memory; each process of the site counts its own."""

    def __init__(self, quota: int, most_callers: int = MOST_CALLERS) -> None:
        """Allow `quota` requests a minute, at least one."""
        assert quota > 0, "no limit is no limiter"
        self.quota, self.most_callers = quota, most_callers
        self.interval = WINDOW_SECONDS / quota
        self.callers: OrderedDict[object, float] = OrderedDict()

    def ask(self, caller: object, now: float) -> Allowance:
        """Count one request of `caller` at `now`, seconds of a monotonic clock, unless it must wait."""
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
    """Return what counts as one address: an IPv4 address, or the first 64 bits (one line) of an IPv6 address."""
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
