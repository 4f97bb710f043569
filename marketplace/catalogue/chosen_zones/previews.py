"""How much of a release survives in a partner's own zones, before it pays: a few questions a day.

No question is about one zone.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import math
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.chosen_zones.tables import ZonePreview
from marketplace.catalogue.offers.queries import find_listed_release, get_counted_by
from marketplace.core import clock
from marketplace.core.database import fetch_row, select, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.core.statements import load_statements
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.releases.figures import figures_of
from marketplace.datasets.releases.queries import key_zones, list_revocations
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.privacy.specification import TO
from marketplace.privacy.zone_input import read_zones

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__)
DAY: Final = dt.timedelta(days=1)
ROUNDED_TO_PERCENT: Final = 5
PREVIEWS_A_DAY: Final = 20
"""Questions of a partner within a day: enough to choose, too few to redraw the map."""
PREVIEWS_A_RELEASE: Final = 60
"""Questions about one release, ever. An answer is one of 21 values, so sixty reveal at most 264 bits, however the zones
overlap: as much as what survives in sixty zones, asked one by one. All colleagues and keys of a vetted partner count
together.
"""
FEWEST_PREVIEWED: Final = 3
"""A question has at least this many zones, or all there are, so no answer is about one zone."""


class Preview(Struct, frozen=True):
    """The answer about a partner's own zones before it pays."""

    zones: int
    outside: int
    """Named zones that are not in the dataset's area."""
    survives_percent: int
    """The published share of those zones' figures, rounded to five percent; for flows, of flows within the zones."""
    left_today: int


class KeptPreview(Struct, frozen=True):
    """A partner's earlier question: a keyed hash of its release and zones."""

    partner: uuid.UUID
    question: str


class PreviewCount(Struct, frozen=True):
    """How many questions a partner asked within a day, when it asked the first, and how many ever about a release."""

    today: int
    first_at: dt.datetime | None
    ever: int


class TooManyPreviews(Conflict):
    """A partner asked too many questions within a day; it may ask again in `seconds`."""

    status = 429

    @property
    def headers(self) -> dict[str, str]:
        """Return when to ask again, and the limit, in the form of other limits."""
        window = round(DAY.total_seconds())
        return super().headers | {
            "ratelimit-policy": f'"previews";q={PREVIEWS_A_DAY};w={window}',
            "ratelimit": f'"previews";r=0;t={self.fields["seconds"]}',
        }


async def preview_zones(partner: uuid.UUID, release: uuid.UUID, zones: str, *, preview_id: uuid.UUID) -> Preview:
    """Return how much of a sealed release survives in a partner's own zones, before it pays; limited per day.

    zones: a list or GeoJSON, as `read_zones` reads it. Only the published cells are read, and the share is rounded. The
    same `preview_id` again is the same question. Refuses a question about fewer than FEWEST_PREVIEWED zones, the
    twenty-first within a day, and the sixty-first about a release.
    """
    now = clock.now()
    row = await find_listed_release(release)
    if row is None or await list_revocations([release]):
        raise NotFound("There is no such release in the catalogue.")
    await check_left(partner, release, preview_id)
    counted, zones_of_it = await get_counted_by(row.dataset), await key_zones(row.dataset)
    geography = await get_geography(counted.zone_table)
    inside, outside = await asyncio.to_thread(read_zones, zones, zones_of_it, counted.h3_resolution, geography)
    fewest = min(FEWEST_PREVIEWED, len(zones_of_it))
    if len(inside) < fewest:
        raise Invalid("Ask about at least {fewest} zones of the area at once.", fewest=fewest)
    left = await _ask_once(partner, release, inside, preview_id, now)
    counts = (await figures_of(row.id, zones_of_it)).counts
    if PRODUCTS[counted.product].is_between_zones:
        published = sum(counts.get(f"{origin}{TO}{end}", 0) for origin in inside for end in inside)
        possible = len(inside) ** 2 * (row.key_count // len(zones_of_it) ** 2)
    else:
        published = sum(counts.get(zone, 0) for zone in inside)
        possible = len(inside) * (row.key_count // len(zones_of_it))
    return Preview(len(inside), outside, rounded_percent(published, possible), left)


async def check_left(partner: uuid.UUID, release: uuid.UUID, preview_id: uuid.UUID) -> None:
    """Refuse a question above the limits before its data is read; a repeated question is allowed."""
    if not await ZonePreview.exists().where(ZonePreview.id == preview_id):
        await _count_left(partner, release, preview_id, clock.now())


async def _ask_once(
    partner: uuid.UUID, release: uuid.UUID, zones: Sequence[str], preview_id: uuid.UUID, now: dt.datetime
) -> int:
    """Store a new question, and return how many are left today; refuse one above the limits."""
    asked = " ".join([str(release), *zones]).encode()
    question = hmac.new(settings().secret.encode(), asked, hashlib.sha256).hexdigest()
    async with transaction():
        await lock(f"previews {partner}")
        known = await fetch_row(KeptPreview, select(KeptPreview, ZonePreview).where(ZonePreview.id == preview_id))
        if known is not None and (known.partner, known.question) != (partner, question):
            raise Conflict("That question was asked already, about other zones; reload the page and ask again.")
        left = await _count_left(partner, release, preview_id, now, is_new=known is None)
        if known is None:
            asker = {ZonePreview.id: preview_id, ZonePreview.partner: partner, ZonePreview.release: release}
            what = {ZonePreview.zone_count: len(zones), ZonePreview.asked_at: now, ZonePreview.question: question}
            await ZonePreview.insert(ZonePreview(asker | what))
    return max(left, 0)


async def _count_left(
    partner: uuid.UUID, release: uuid.UUID, preview_id: uuid.UUID, now: dt.datetime, *, is_new: bool = True
) -> int:
    """Return how many questions are left after this one; refuse a new one above the limits."""
    counts = await fetch_row(PreviewCount, SQL["count_previews"], partner, release, now - DAY, preview_id)
    assert counts
    if is_new and counts.today >= PREVIEWS_A_DAY:
        assert counts.first_at
        seconds = max(math.ceil((counts.first_at + DAY - now).total_seconds()), 1)
        most = PREVIEWS_A_DAY
        raise TooManyPreviews("You asked {most} times within a day; ask again tomorrow.", most=most, seconds=seconds)
    if is_new and counts.ever >= PREVIEWS_A_RELEASE:
        raise Conflict(
            "You asked {most} times about this release: no more can be revealed before it is bought.",
            most=PREVIEWS_A_RELEASE,
        )
    return min(PREVIEWS_A_DAY - counts.today, PREVIEWS_A_RELEASE - counts.ever) - 1


def rounded_percent(published: int, possible: int) -> int:
    """Return the share of `possible` figures that are published in whole percent, rounded to a multiple of five."""
    return ROUNDED_TO_PERCENT * (
        (2 * 100 * published + ROUNDED_TO_PERCENT * possible) // (2 * ROUNDED_TO_PERCENT * possible)
    )
