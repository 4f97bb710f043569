"""Which deaths a deep run plays: each second one, the others on the next day; `EVERY_DEATH=1` plays all of them."""

from __future__ import annotations

import datetime as dt
import os


def firsts() -> tuple[int, ...]:
    """Return from which await on each second one is a death: 1, 2, or both one after the other."""
    if os.environ.get("EVERY_DEATH"):
        return (1, 2)
    return (1 + dt.datetime.now(dt.UTC).toordinal() % 2,)


def first_and_every() -> tuple[int, int]:
    """Return at which await the first death is, and how many awaits later the next one."""
    return (1, 1) if os.environ.get("EVERY_DEATH") else (*firsts(), 2)
