"""Reasons for not buying, and who is counted as having looked."""

from __future__ import annotations

import re
from typing import Final

REASONS: Final = {
    "price": "The price is too high",
    "area": "My zones are not in it, or withheld",
    "period": "Too old, or the wrong period",
    "accuracy": "Not exact enough",
    "indicator": "It counts something else than I need",
    "licence": "The licence does not allow my use",
    "elsewhere": "I have it from somewhere else",
    "later": "Not now",
}
"""Each reason's code, and how partners read it."""
PROGRAMS: Final = re.compile("bot|crawl|spider|slurp|preview|curl|wget|python|headless|monitor", re.IGNORECASE)


def is_program(user_agent: str) -> bool:
    """Return whether a page is fetched by a program, as far as it says so itself."""
    return not user_agent or bool(PROGRAMS.search(user_agent))
