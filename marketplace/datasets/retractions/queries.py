"""The retracted lines and intervals, and the consents that still count after their people erased themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.core.instants import FOREVER_US
from marketplace.core.statements import load_statements
from marketplace.datasets.builds.retracted_events import RetractedEvents

if TYPE_CHECKING:
    from marketplace.consent.purposes.in_force import InForce

SQL: Final = load_statements(__package__)


class ErasedLine(Struct, frozen=True):
    """A line whose person erased themselves: when, in microseconds since 1970, and whether it was claimed again."""

    subscriber: int
    erased_us: int
    is_claimed: bool


class RetractedLine(Struct, frozen=True):
    """A half-open interval of one line's events that is retracted, in microseconds since 1970."""

    subscriber: int
    from_us: int
    to_us: int


class RetractionToDo(Struct, frozen=True):
    """A retraction whose events are not removed yet; subscriber: None for everyone."""

    id: int
    subscriber: int | None
    from_us: int
    to_us: int


async def list_retracted_lines() -> RetractedEvents:
    """Return the retractions of single lines: no file may bring these events back."""
    rows = await fetch_rows(RetractedLine, SQL["list_retracted_lines"])
    return RetractedEvents([row.subscriber for row in rows], [row.from_us for row in rows], [row.to_us for row in rows])


async def list_retractions_to_do() -> list[RetractionToDo]:
    """Return the open retractions, in the order of request."""
    return await fetch_rows(RetractionToDo, SQL["list_retractions_to_do"])


async def without_erased(consent: InForce) -> InForce:
    """Return the consents without those of people who erased themselves.

    A line that nobody claimed since has no consent left; one that was claimed again has those after the erasure.
    """
    erased = await fetch_rows(ErasedLine, SQL["list_erased_lines"])
    return consent.since({row.subscriber: row.erased_us if row.is_claimed else FOREVER_US for row in erased})
