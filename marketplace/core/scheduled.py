"""A district's scheduled jobs, as it exports them: a name, the interval in seconds, the function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

Jobs: TypeAlias = dict[str, tuple[int, Callable[[], Awaitable[object]]]]
MINUTE, HOUR, DAY = 60, 3600, 86_400
