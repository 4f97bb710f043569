"""What a release would cost if it were published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from marketplace.catalogue.offers import actions
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.catalogue.offers.stated import count_published
from marketplace.core import clock
from marketplace.core.errors import NotFound, existing

if TYPE_CHECKING:
    import uuid

    from pricing.order import Priced


async def price_if_published(release: uuid.UUID) -> Priced:
    """Return a release's price of today under its dataset's open offer, if it were published.

    Refuses a release without a price, and a dataset without an open offer.
    """
    row = existing(
        next(iter(await list_priced_releases([release])), None), NotFound("There is no such release in the catalogue.")
    )
    now = clock.now()
    await count_published(row.dataset, now)
    return await actions.price_now(replace(row, state="sealed"), now=now)
