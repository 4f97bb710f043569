"""From recorded words to what a build honours: consents that a dataset may use, and switches of place and time. Pure.

A scope that does not allow a dataset's source, or one of the sectors it may be sold to, lets none of the line's events
before its end be counted there: that is a consent that begins at that end, and none where nothing ended it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.instants import FOREVER_US
from marketplace.switches.rules import read
from marketplace.switches.switched import Switched

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from marketplace.consent.in_force import InForce
    from marketplace.consent.queries import NarrowedRow
    from marketplace.switches.rules import Scope


def scopes_of(rows: Sequence[NarrowedRow]) -> list[tuple[int, int, Scope]]:
    """Return rows as line, until when in microseconds and scope; words that say the same share one scope."""
    known: dict[str, Scope] = {}
    found = []
    for row in rows:
        scope = known.get(row.covers)
        if scope is None:
            scope = known[row.covers] = read(row.covers)
        found.append((row.subscriber, FOREVER_US if row.until_us is None else row.until_us, scope))
    return found


def usable(
    consent: InForce, narrowed: Sequence[tuple[int, int, Scope]], source: str, sectors: Collection[str]
) -> InForce:
    """Return the consents that a dataset of this source, for these sectors (none named: all), may count by."""
    begins: dict[int, int] = {}
    for line, until_us, scope in narrowed:
        if not scope.allows_something or not scope.allows_use(source, sectors):
            begins[line] = max(begins.get(line, 0), until_us)
    return consent.since(begins)


def by_place_and_time(narrowed: Sequence[tuple[int, int, Scope]]) -> Switched | None:
    """Return what scopes leave out by place and time; None: nothing."""
    rows = [row for row in narrowed if not row[2].is_everywhere_and_always]
    return Switched.of(rows) if rows else None
