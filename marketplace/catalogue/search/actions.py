"""Keep datasets' cards up to date: after each change, and once a day for the price, which falls with age."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import astuple

from marketplace.catalogue.offers.actions import prices_now
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.catalogue.search.queries import SQL
from marketplace.catalogue.search.rules import FEW, bands_of, words_of
from marketplace.core import clock
from marketplace.core.database import execute, fetch_column, fetch_rows, transaction
from marketplace.core.locks import try_lock
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.releases.changes import claim_changes
from marketplace.datasets.releases.queries import key_zones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pricing.order import Priced

BATCH_SIZE: Final = 500
LOOKED_AT_FOR: Final = dt.timedelta(hours=20)
MOST_NAMES: Final = 5_000
"""Zones of a dataset whose names are searched."""
FULL: Final = 10_000


class Card(Struct, frozen=True):
    """A dataset's card, in the order of the statement's parameters; `words` are separated by blanks."""

    dataset: str
    is_listed: bool
    words: str
    area: str
    indicator: str
    zones: str
    grain: str
    cadence: str
    price: str
    coverage: str
    latest: str
    price_minor: int | None
    coverage_basis_points: int
    period_to: dt.datetime | None


class Described(Struct, frozen=True):
    """A dataset's searchable properties; without a release nothing of it can be bought."""

    code: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    area: str
    indicator: str
    zone_table: str | None
    h3_resolution: int
    grain: str
    cadence: str
    is_listed: bool
    release: uuid.UUID | None
    period_to: dt.datetime | None
    consenting: int | None
    population: int | None


async def refresh(most: int = FEW) -> int:
    """Update the cards of up to `most` changed datasets and return how many; 0 while another process does it."""
    async with transaction():
        if not await try_lock("search cards"):
            return 0
        changed = await claim_changes(most)
        await _write(changed)
    return len(changed)


async def refresh_cards() -> int:
    """Update cards of changed datasets, and prices that are a day old; a job. Return how many cards were written."""
    written = 0
    while count := await refresh(BATCH_SIZE):
        written += count
    async with transaction():
        if await try_lock("search cards"):
            old = await fetch_column(str, SQL["list_old_cards"], clock.now() - LOOKED_AT_FOR, BATCH_SIZE)
            await _write(old)
            written += len(old)
    return written


async def _write(datasets: Sequence[str]) -> None:
    """Write the present cards of some datasets."""
    rows = await fetch_rows(Described, SQL["describe_datasets"], list(datasets)) if datasets else []
    releases = [row.release for row in rows if row.is_listed and row.release]
    prices = await prices_now(await list_priced_releases(releases), now=clock.now())
    await write_cards([_card(row, await _names(row), prices.get(row.release) if row.release else None) for row in rows])


async def write_cards(cards: Sequence[Card]) -> None:
    """Write cards in the transaction that has locked them, so that versions rise."""
    if cards:
        await execute(SQL["write_cards"], *map(list, zip(*map(astuple, cards), strict=True)), clock.now())


def _card(row: Described, names: str, price: Priced | None) -> Card:
    texts = (row.code, row.title_fr, row.title_en, row.description_fr, row.description_en, row.area, names)
    amount = price.amount_minor if price else None
    covered = min(FULL * (row.consenting or 0) // row.population, FULL) if row.population else 0
    return Card(
        row.code,
        row.is_listed,
        " ".join(words_of(" ".join(texts))),
        row.area,
        row.indicator,
        row.zone_table or f"h3-{row.h3_resolution}",
        row.grain,
        row.cadence,
        *bands_of(amount, covered, row.period_to),
        amount,
        covered,
        row.period_to,
    )


async def _names(row: Described) -> str:
    """Return the names of a dataset's own zones, in a large table only the first; H3's cells have no names."""
    if row.zone_table is None:
        return ""
    geography = await get_geography(row.zone_table)
    return " ".join(geography.name(zone) for zone in (await key_zones(row.code))[:MOST_NAMES])
