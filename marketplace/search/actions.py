"""Looking at datasets again: their cards follow what changed, and once a day the price, which falls with age."""

from __future__ import annotations

import datetime as dt
import uuid
from itertools import chain
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.catalogue.actions import prices_now
from marketplace.catalogue.queries import list_priced_releases
from marketplace.database import execute, fetch_rows, transaction
from marketplace.datasets.changes import claim_changes
from marketplace.datasets.queries import key_zones
from marketplace.locks import try_lock
from marketplace.search.queries import SQL, stem
from marketplace.search.rules import FEW, words_of
from marketplace.zones.queries import get_geography

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH_SIZE: Final = 500
LOOKED_AT_FOR: Final = dt.timedelta(hours=20)
MOST_NAMES: Final = 5_000
"""Zones of a dataset whose names are searched."""
FULL: Final = 10_000


class Old(Struct, frozen=True):
    """A dataset whose card is old."""

    dataset: str


class Described(Struct, frozen=True):
    """What a dataset is found by; no release: nothing of it can be bought."""

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
    """Look again at up to `most` changed datasets and return how many; none while another process does."""
    async with transaction():
        if not await try_lock("search cards"):
            return 0
        changed = await claim_changes(most)
        await _write(changed)
    return len(changed)


async def refresh_cards() -> int:
    """Look again at what changed, and at prices that are a day old; a job. Return how many cards were written."""
    written = 0
    while count := await refresh(BATCH_SIZE):
        written += count
    async with transaction():
        if await try_lock("search cards"):
            old = await fetch_rows(Old, SQL["list_old_cards"], clock.now() - LOOKED_AT_FOR, BATCH_SIZE)
            await _write([row.dataset for row in old])
            written += len(old)
    return written


async def _write(datasets: Sequence[str]) -> None:
    """Write the cards of some datasets as they are now; in the transaction that has locked the cards, so that versions rise."""
    if not datasets:
        return
    rows = await fetch_rows(Described, SQL["describe_datasets"], list(datasets))
    releases = [row.release for row in rows if row.is_listed and row.release]
    prices = await prices_now(await list_priced_releases(releases), now=clock.now())
    texts = [
        words_of(f"{row.title_fr} {row.title_en} {row.description_fr} {row.description_en} {row.area}") for row in rows
    ]
    stems = {one.word: one.stems for one in await stem(sorted(set(chain.from_iterable(texts))))}
    names = [words_of(f"{row.code} {await _names(row)}") for row in rows]
    amounts = [prices[row.release].amount_minor if row.release in prices else None for row in rows]
    await execute(
        SQL["write_cards"],
        [row.code for row in rows],
        [row.is_listed for row in rows],
        [" ".join(dict.fromkeys([*own, *others])) for own, others in zip(texts, names, strict=True)],
        [" ".join(dict.fromkeys(chain.from_iterable(stems[word] for word in own))) for own in texts],
        [row.area for row in rows],
        [row.indicator for row in rows],
        [row.zone_table or f"h3-{row.h3_resolution}" for row in rows],
        [row.grain for row in rows],
        [row.cadence for row in rows],
        amounts,
        [min(FULL * (row.consenting or 0) // row.population, FULL) if row.population else 0 for row in rows],
        [row.period_to for row in rows],
        clock.now(),
    )


async def _names(row: Described) -> str:
    """Return the names of a dataset's own zones, the first of them in a large table; H3's cells have none."""
    if row.zone_table is None:
        return ""
    geography = await get_geography(row.zone_table)
    return " ".join(geography.name(zone) for zone in (await key_zones(row.code))[:MOST_NAMES])
