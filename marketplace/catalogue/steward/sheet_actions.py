"""A steward's actions on markets: define one, state the law of volume; versions of sheets are `offers.state_sheet`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from marketplace.catalogue.offers.stated import state_volume
from marketplace.catalogue.sheets import actions as sheets
from marketplace.catalogue.sheets import rules
from marketplace.catalogue.sheets.queries import get_sheet, list_laws, list_sheets, list_versions
from marketplace.catalogue.sheets.rules import check_market
from marketplace.catalogue.steward.queries import list_countable, list_people_by_area
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.locks import lock
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.releases.queries import get_dataset, key_zones
from marketplace.people.audit_trail.actions import note_action
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Iterable

    from marketplace.catalogue.sheets.queries import StatedLawRow
    from marketplace.people.identity.actors import Actor
    from pricing.sheet import Law


NO_LAW: Final = "none"
"""What a page has seen where no law is stated in a currency."""


async def define_market(who: Actor, code: str, *, dataset: str, titles: tuple[str, str], currency: str) -> str:
    """Define the market of what a dataset counts, over its zones, and return its code; the same again changes nothing.

    Refuses another market under that code, and a code, title or currency that is none.
    """
    check_market(code, titles, currency)
    declared = await get_dataset(dataset)
    async with transaction():
        await lock("markets")
        is_new = all(one.code != code for one in await list_sheets())
        await sheets.define_sheet(
            code,
            product=declared.product,
            grain=declared.grain,
            zone_table=declared.zone_table,
            h3_resolution=declared.h3_resolution,
            titles=titles,
            currency=currency,
        )
        if is_new:
            after = {"product": declared.product, "grain": declared.grain, "currency": currency}
            await note_action(who, "market_defined", code, after=after)
    return code


async def propose_constants(code: str, people: int) -> bytes:
    """Return constants to begin from, as a CSV file: a row for each zone of the market's datasets, stated ones as they are.

    The others weigh alike; their people are those of their area as published, shared alike, or else `people` each.
    """
    market, datasets = await get_sheet(code), [one.code for one in await list_countable(code)]
    zones = {zone for dataset in datasets for zone in await key_zones(dataset)}
    if not zones:
        raise Invalid("No dataset counts what this market does.")
    stated = await list_versions(code)
    known = rules.read(stated[0].document).zones if stated else {}
    geography, published = await get_geography(market.zone_table), await list_people_by_area(datasets)
    proposed = await asyncio.to_thread(
        rules.propose_constants,
        zones,
        geography,
        people_by_area=published,
        people_else=people,
        is_of_pairs=PRODUCTS[market.product].is_between_zones,
    )
    return rules.constants_file(proposed | known)


def last_stated(laws: Iterable[StatedLawRow]) -> str:
    """Return the id of the law that was stated last, or NO_LAW; laws: of one currency."""
    last = max(laws, key=lambda one: one.stated_at, default=None)
    return str(last.id) if last else NO_LAW


async def state_law(
    who: Actor, law: Law, *, law_id: uuid.UUID, starts_at: dt.datetime | None = None, seen: str = ""
) -> None:
    """State what orders of a currency cost of what they are worth; the same id again changes nothing.

    seen: `last_stated` when the page was shown; empty: not checked.
    """
    async with transaction():
        await lock("offers")  # before the law, in the order of `state_volume`
        await lock(f"volume law {law.currency}")
        known = [one for one in await list_laws() if one.currency == law.currency]
        if any(one.id == law_id for one in known):
            return
        if seen and seen != last_stated(known):
            raise Conflict(
                "Another law of volume was stated meanwhile: look at it, then go on if yours is still right."
            )
        await state_volume(law, who, law_id=law_id, starts_at=starts_at)
