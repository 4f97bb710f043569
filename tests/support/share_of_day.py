"""What a deep run does a part of each day, so that some days in a row do all of it; EVERY_DEATH=1 does all at once."""

import datetime as dt
import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def share_of_day(everything: Sequence[T], days: int) -> Sequence[T]:
    """Return those of today, every `days`-th one; all of them where EVERY_DEATH is set."""
    if os.environ.get("EVERY_DEATH"):
        return everything
    return everything[dt.datetime.now(dt.UTC).toordinal() % days :: days]
