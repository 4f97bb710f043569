"""The clock: aware UTC, read once per action and passed to rules.

Tests and the demo world move it with `shifted`; `serve` never does.
"""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

UTC = dt.UTC
_offset = dt.timedelta(0)


def now() -> dt.datetime:
    """Return this instant as an aware UTC datetime."""
    return dt.datetime.now(UTC) + _offset


@contextmanager
def shifted(by: dt.timedelta) -> Iterator[None]:
    """Move this process's clock by `by` inside the block; blocks nest and add up."""
    global _offset  # noqa: PLW0603 (the one place that moves the one clock)
    _offset += by
    try:
        yield
    finally:
        _offset -= by
