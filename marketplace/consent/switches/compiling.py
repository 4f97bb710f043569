"""From records to what a build applies: consents that a dataset may use, and switches of place and time. Pure.

If a scope does not allow a dataset's source, or one of the sectors it may be sold to, the line's events before the
scope's end do not count there. The consent then begins at that end, or does not exist if nothing ended the scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.consent.switches.rules import read
from marketplace.consent.switches.switch_arrays import SwitchArrays
from marketplace.core.instants import FOREVER_US

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from marketplace.consent.purposes.in_force import InForce
    from marketplace.consent.purposes.queries import NarrowedRow
    from marketplace.consent.switches.rules import Scope


def scopes_of(rows: Sequence[NarrowedRow]) -> list[tuple[int, int, Scope]]:
    """Return rows as line, end in microseconds and scope; equal scopes are one object."""
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
    """Return the consents that a dataset of this source, for these sectors (empty: all), may use."""
    begins: dict[int, int] = {}
    for line, until_us, scope in narrowed:
        if not scope.allows_something or not scope.allows_use(source, sectors):
            begins[line] = max(begins.get(line, 0), until_us)
    return consent.since(begins)


def by_place_and_time(narrowed: Sequence[tuple[int, int, Scope]]) -> SwitchArrays | None:
    """Return the events that scopes leave out by place and time; None: no events."""
    rows = [row for row in narrowed if not row[2].is_everywhere_and_always]
    return SwitchArrays.of(rows) if rows else None
