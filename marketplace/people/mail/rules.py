"""How long a letter waits, when it is given up, and what a server's answer means for an address; pure."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final, Literal, TypeAlias

Ending: TypeAlias = Literal["sent", "refused", "bounced", "unknown", "expired", "stopped", "unreachable"]
"""How a letter ends. sent: a server accepted it. refused: for good. bounced: it was accepted and came back. unknown: it
may have been accepted twice, and no answer came. expired: no server was reached within `PATIENCE`. stopped: the
person wants no such mail. unreachable: there is no address that works.
"""
FIRST_WAIT: Final = dt.timedelta(seconds=30)
LONGEST_WAIT: Final = dt.timedelta(hours=4)
PATIENCE: Final = dt.timedelta(days=5)
MOST_OPEN_HAND_OVERS: Final = 2
"""After this many without an answer a letter is not sent again: a person gets it twice at most."""
_ENHANCED: Final = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_DEAD_WITHOUT_ENHANCED: Final = {550, 551, 553}
_PERMANENT: Final = 500


def wait_before(attempts: int) -> dt.timedelta:
    """Return how long to wait after this many attempts: four times longer each time, up to four hours."""
    times: int = 4 ** max(0, min(attempts - 1, 10))
    return min(FIRST_WAIT * times, LONGEST_WAIT)


def is_expired(created_at: dt.datetime, now: dt.datetime) -> bool:
    """Return whether a letter is too old to be tried. Source: RFC 5321 4.5.4.1, four to five days."""
    return now - created_at >= PATIENCE


def code_of(code: int, text: str) -> str:
    """Return the stored part of a server's answer: its code and, if it has one, its enhanced code (RFC 3463)."""
    found = _ENHANCED.search(text)
    return f"{code} {found[0]}" if found else str(code)


def is_permanent(code: int) -> bool:
    """Return whether a server refuses for good, so that another attempt is useless."""
    return code >= _PERMANENT


def says_address_is_dead(code: int, text: str) -> bool:
    """Return whether a refusal of a recipient is about the address, and not about the sender or the letter.

    X.1.X is addressing, X.2.1 a disabled mailbox (RFC 3463); without such a code 550, 551 and 553 (RFC 5321) count.
    """
    found = _ENHANCED.search(text)
    if found is None:
        return code in _DEAD_WITHOUT_ENHANCED
    return found[1] == "5" and (found[2] == "1" or (found[2], found[3]) == ("2", "1"))
