"""What a dataset may declare, the specification of a build, and the next period of a cadence; pure."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from marketplace.consent.switches.rules import sectors_in_order
from marketplace.core.errors import Invalid, existing
from marketplace.core.instants import DAY_US, EPOCH, HOUR_US, WEEK_US, microseconds
from marketplace.core.local_time import UTC, is_start, local_day, midnight, time_zones
from marketplace.datasets.geography.rules import check_code
from marketplace.privacy.geography import H3
from marketplace.privacy.key_set import key_zones
from marketplace.privacy.product_registry import DEFAULT_PRODUCT, PRODUCTS
from marketplace.privacy.specification import (
    EPSILON_PERCENT,
    LARGEST_DENSE_KEY_SET,
    LARGEST_KEY_SET,
    MECHANISMS,
    STEPS,
    UNITS,
    Specification,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from marketplace.privacy.geography import Geography

CADENCES: Final = ("", "day", "week", "month")
"""How often a dataset's next release is built automatically; empty: only when a steward requests it."""
LARGEST_BOUND: Final = 1_000_000
SUNDAY: Final = 6
WEEK_DAYS: Final = 7
MOST_DAYS_EARLIER: Final = 60
"""How many days before the last ingested one a complete period is sought."""
FINEST: Final = 15
"""H3's finest resolution, and the lowest level of zones."""
SMALLEST_DELTA, LARGEST_DELTA = 5, 15
"""Exponents: delta is ten to the minus this."""
LARGEST_MAX_ZONES: Final = 100
MOST_VARIANTS: Final = 3
"""In addition to the dataset itself: each spends from its budget, and from every subscriber's year."""
LONGEST_WORDS: Final = {"title_fr": 200, "title_en": 200, "description_fr": 2000, "description_en": 2000, "area": 100}
"""A dataset's words → the most characters."""
PUBLISHED_WITHIN: Final = dt.timedelta(days=7)
"""How long a build may wait to be published, from the instant of its consents on."""
TOO_LATE: Final = "Nobody published this build within a week, so it has lapsed. Build the period again."
WITHDRAWN: Final = (
    "Somebody in this build withdrew consent before it was published, so it has lapsed. Build the period again."
)
LONGEST_PERIOD: Final = dt.timedelta(days=3_660)


class DatasetTerms(Struct, frozen=True):
    """The terms that a dataset declares, each a column of `dataset`: what is counted where, under which promise.

    Once defined it never changes: other terms are another dataset.
    """

    code: str
    purpose: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    area: str
    zones: list[str]
    age_bands: list[str]
    h3_resolution: int
    grain: str
    max_cells: int
    max_events: int
    epsilon_micro: int
    budget_micro: int
    unit: str = "release"
    mechanism: str = "laplace"
    delta_exponent: int = 0
    max_zones: int = 0
    parent_resolution: int = 0
    edition_multiples: list[int] = field(default_factory=list)
    product: str = DEFAULT_PRODUCT
    zone_table: str | None = None
    time_zone: str = UTC
    sectors: list[str] = field(default_factory=list)
    variant_of: str | None = None


def check_variant(terms: DatasetTerms, base: DatasetTerms, others: int) -> None:
    """Refuse a variant that is not the same dataset for other sectors; others: the number of other variants."""
    own = {"code", "title_fr", "title_en", "description_fr", "description_en", "sectors", "variant_of", "budget_micro"}
    same = all(getattr(terms, name) == getattr(base, name) for name in terms.__struct_fields__ if name not in own)
    if base.variant_of or not same:
        raise Invalid("A variant counts what its dataset counts, for other sectors: nothing else may differ.")
    if others >= MOST_VARIANTS:
        raise Invalid("A dataset has {most} variants at most.", most=MOST_VARIANTS)


def check_terms(terms: DatasetTerms, geography: Geography) -> None:
    """Refuse terms that no release could be made under, or a contradictory promise.

    geography: that of the terms' zone table.
    """
    check_code(terms.code)
    _check_words(terms)
    if not 0 <= terms.h3_resolution <= FINEST:
        raise Invalid("H3 has resolutions from 0 to 15, and zones of your own as many levels.")
    if terms.grain not in STEPS:
        raise Invalid("The grain must be hour, day or week.")
    if terms.time_zone not in time_zones():
        raise Invalid("The time zone has a name such as Europe/Paris or America/New_York, or is UTC.")
    bands = terms.age_bands
    if not terms.zones or not bands or len(set(bands)) < len(bands) or not all(bands):
        raise Invalid("A dataset declares its zones, and its age bands once each.")
    key_zones(terms.zones, terms.h3_resolution, geography)
    bounds = (terms.max_cells, terms.max_events)
    if max(bounds) > LARGEST_BOUND:
        raise Invalid("Bounds are a million at most.")
    if min(*bounds, terms.epsilon_micro) < 1 or terms.epsilon_micro > terms.budget_micro:
        raise Invalid("Bounds, half-life and epsilon must be positive, and the budget must hold one release at least.")
    if min(EPSILON_PERCENT.values()) * terms.epsilon_micro < 100:  # noqa: PLR2004 (a hundred percent)
        raise Invalid("Epsilon is too small to be divided.")
    if terms.sectors != sectors_in_order(terms.sectors):
        raise Invalid("Sectors are named once each, in the order they are listed.")
    _check_promise(terms)


def _check_words(terms: DatasetTerms) -> None:
    """Refuse a dataset that buyers could not distinguish from another, and too long words; names the field."""
    for field_name, most in LONGEST_WORDS.items():
        words = getattr(terms, field_name)
        if not words.strip():
            raise Invalid("A dataset needs its title, its description and the name of its area.", field=field_name)
        if len(words) > most:
            raise Invalid("That is too long: {most} characters at most.", most=most, field=field_name)


def _check_promise(terms: DatasetTerms) -> None:
    product = existing(
        PRODUCTS.get(terms.product), Invalid("The product must be one of {products}.", products=", ".join(PRODUCTS))
    )
    if not product.adds_up and (terms.max_zones or terms.parent_resolution):
        raise Invalid(
            "Only {products} has totals, and thin cells that are added up over a parent.",
            products=", ".join(code for code, other in PRODUCTS.items() if other.adds_up),
        )
    if terms.grain not in product.grains:
        raise Invalid(
            "The product {product} can only be counted by {grains}.",
            product=terms.product,
            grains=", ".join(product.grains),
        )
    if terms.unit not in UNITS or terms.mechanism not in MECHANISMS:
        raise Invalid("The unit must be release or day, and the mechanism laplace or gaussian.")
    if terms.grain == "week" and terms.unit == "day":
        raise Invalid("What is counted by week is promised for the whole release, not for a day.")
    least, most = (SMALLEST_DELTA, LARGEST_DELTA) if terms.mechanism == "gaussian" else (0, 0)
    if not least <= terms.delta_exponent <= most:
        raise Invalid("Delta is ten to the minus 5 to 15 for Gaussian noise, and nothing for Laplace.")
    if not 0 <= terms.max_zones <= LARGEST_MAX_ZONES or not 0 <= terms.parent_resolution < max(1, terms.h3_resolution):
        raise Invalid("Totals count between 1 and 100 zones, and parents are coarser than zones.")
    if any(later <= earlier for earlier, later in pairwise([1, *terms.edition_multiples])):
        raise Invalid("Each edition must be coarser than the one before.")


def specify(
    terms: DatasetTerms,
    period_from: dt.datetime,
    period_to: dt.datetime,
    *,
    revision: int = 1,
    geography: Geography = H3,
) -> Specification:
    """Return the specification of a build under `terms` over the half-open period; refuse one that makes no release.

    geography: that of the terms' zone table.

    Hours and days are those of the dataset's time zone: a day has 23 hours when summer time begins and 25 when it ends.
    """
    start, end = _whole_steps(terms, period_from, period_to)
    if revision < 1:
        raise Invalid("Revisions are counted from one.")
    zones = key_zones(terms.zones, terms.h3_resolution, geography)
    if not zones or not terms.age_bands:
        raise Invalid("The dataset {dataset} declares no zones or no age bands yet.", dataset=terms.code)
    specification = Specification(
        dataset=terms.code,
        purpose=terms.purpose,
        zones=zones,
        age_bands=tuple(terms.age_bands),
        resolution=terms.h3_resolution,
        grain=terms.grain,
        period_from=start,
        period_to=end,
        max_cells=terms.max_cells,
        max_events=terms.max_events,
        epsilon_micro=terms.epsilon_micro,
        mechanism=terms.mechanism,
        delta_exponent=terms.delta_exponent,
        unit=terms.unit,
        max_zones=terms.max_zones,
        parent_resolution=terms.parent_resolution,
        revision=revision,
        product=terms.product,
        geography=geography,
        time_zone=terms.time_zone,
    )
    most = LARGEST_DENSE_KEY_SET if specification.is_dense else LARGEST_KEY_SET
    if specification.key_count > most:
        raise Invalid(
            "That release would have {keys} cells, more than {most}: choose a shorter period or larger zones.",
            keys=specification.key_count,
            most=most,
        )
    if specification.mechanism == "gaussian" and specification.rho_nano * min(EPSILON_PERCENT.values()) < 100:  # noqa: PLR2004
        raise Invalid("Epsilon is too small to be divided.")
    return specification


def _whole_steps(
    terms: DatasetTerms, period_from: dt.datetime, period_to: dt.datetime
) -> tuple[dt.datetime, dt.datetime]:
    """Return a period's start and end in UTC; refuse an empty one, or one that is not of whole local hours or days."""
    assert period_from.tzinfo is not None, "instants are aware"
    assert period_to.tzinfo is not None, "instants are aware"
    start, end = period_from.astimezone(dt.UTC), period_to.astimezone(dt.UTC)
    if start >= end:
        raise Invalid("The period is empty: it must end after it starts.")
    if start < EPOCH:
        raise Invalid("The period must start in 1970 or later.")
    if end - start > LONGEST_PERIOD:
        raise Invalid("The period must be of ten years at most.")
    for grain in (terms.grain, terms.unit):
        step_us = {"hour": HOUR_US, "day": DAY_US, "week": WEEK_US}.get(grain)
        if step_us and not all(is_start(terms.time_zone, microseconds(at), step_us) for at in (start, end)):
            raise Invalid(
                "The period must start and end on a whole {grain}, in {time_zone}.",
                grain=grain,
                time_zone=terms.time_zone,
            )
    return start, end


def latest_period(cadence: str, now: dt.datetime, time_zone: str = UTC) -> tuple[dt.datetime, dt.datetime]:
    """Return the latest whole day, week (from Monday) or month of a time zone that is over at `now`; half-open."""
    end = local_day(now, time_zone)
    if cadence == "day":
        start = end - dt.timedelta(days=1)
    elif cadence == "week":
        end -= dt.timedelta(days=end.weekday())
        start = end - dt.timedelta(days=7)
    else:
        assert cadence == "month"
        end = end.replace(day=1)
        start = (end - dt.timedelta(days=1)).replace(day=1)
    return midnight(start, time_zone), midnight(end, time_zone)


def days_of(period_from: dt.datetime, period_to: dt.datetime) -> list[dt.date]:
    """Return the days of UTC that a half-open period touches, ascending: events are stored by these."""
    first, last = period_from.date(), (period_to - dt.timedelta(microseconds=1)).date()
    return [first + dt.timedelta(days=day) for day in range((last - first).days + 1)]


def spans_of(days: Iterable[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """Return the spans, first and last day included, of consecutive days; days: ascending."""
    spans: list[tuple[dt.date, dt.date]] = []
    for day in days:
        if spans and day - spans[-1][1] == dt.timedelta(days=1):
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return spans


def suggest_days(
    ingested: Collection[dt.date], now: dt.datetime, *, time_zone: str, grain: str, length: int
) -> tuple[dt.date, dt.date] | None:
    """Return the first and last local day of the latest period of `length` days that is over and ingested, or None.

    ingested: days of UTC. A dataset that is counted by week gets whole weeks, from Monday.
    """
    known = set(ingested)
    if not known:
        return None
    if grain == "week":
        length = max(round(length / WEEK_DAYS), 1) * WEEK_DAYS
    last = min(max(known), local_day(now, time_zone) - dt.timedelta(days=1))
    for earlier in range(MOST_DAYS_EARLIER):
        end = last - dt.timedelta(days=earlier)
        start = end - dt.timedelta(days=length - 1)
        bounds = midnight(start, time_zone), midnight(end + dt.timedelta(days=1), time_zone)
        if (grain != "week" or end.weekday() == SUNDAY) and known.issuperset(days_of(*bounds)):
            return start, end
    return None


def end_of(day: dt.date) -> dt.datetime:
    """Return the end of a day of UTC."""
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
