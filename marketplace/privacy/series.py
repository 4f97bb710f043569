"""What makes a series of releases comparable: the expansion factor, and the breaks between one release and the next.

All of it is computed from published figures, so it costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from marketplace.core.words import Bilingual, Words

if TYPE_CHECKING:
    from collections.abc import Iterator

MICRO: Final = 1_000_000
SHIFT_MICRO: Final = 50_000
"""The lines of an area change from day to day; a change of more than this share between two releases is a break."""
LABELS: Final = {
    "method": Words("method {now}"),
    "more lines": Words("lines +{share}%"),
    "fewer lines": Words("lines −{share}%"),
    "notice": Words("notice {versions}"),
    "revision": Words("revision {number}"),
}
SENTENCES: Final = {
    "method": Words(
        "Counted by version {now} of the method, the release before by version {before}: a step between the two can come "
        "from the method alone."
    ),
    "more lines": Words("The area has {share}% more lines than in the release before."),
    "fewer lines": Words("The area has {share}% fewer lines than in the release before."),
    "notice": Words(
        "Consent was asked under other versions of the notice than for the release before, the latest being version "
        "{versions}: those who consent may have changed."
    ),
    "revision": Words("This period was counted again (revision {number}); the release’s note says why."),
}


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """The statements of a release with which the next one is compared."""

    method_version: int
    population: int
    """Lines of the area."""
    revision: int
    notices: tuple[int, ...]
    """Versions of the notice up to then, ascending; empty if the release names none."""


@dataclass(frozen=True, slots=True)
class Break:
    """One way in which a release is not comparable with the one before."""

    kind: str
    """A key of SENTENCES."""
    label: Bilingual
    """A few words for a line in a chart."""
    sentence: Bilingual


def expansion_micro(population: int, consenting: int) -> int | None:
    """Return the factor from a count to all lines of the area, in millionths; None if nobody consents.

    consenting: as published, with noise.
    """
    return round(population * MICRO / consenting) if consenting > 0 else None


def breaks(before: ReleaseFacts | None, after: ReleaseFacts) -> list[Break]:
    """Return how a release breaks with the previous one of its dataset; the first of a series has no breaks."""
    if before is None:
        return []
    found = []
    for kind, details in _differences(before, after):
        found.append(Break(kind, LABELS[kind].in_both(**details), SENTENCES[kind].in_both(**details)))
    return found


def _differences(before: ReleaseFacts, after: ReleaseFacts) -> Iterator[tuple[str, dict[str, str]]]:
    if before.method_version != after.method_version:
        yield "method", {"now": str(after.method_version), "before": str(before.method_version)}
    shift = after.population - before.population
    if before.population and abs(shift) * MICRO > SHIFT_MICRO * before.population:
        share = round(100 * abs(shift) / before.population)
        yield "more lines" if shift > 0 else "fewer lines", {"share": str(share)}
    if before.notices and after.notices and before.notices != after.notices:
        yield "notice", {"versions": str(after.notices[-1])}
    if after.revision > 1:
        yield "revision", {"number": str(after.revision)}
