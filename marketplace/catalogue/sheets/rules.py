"""What a price sheet may state: public constants of zones from a file, segments, rates; pure.

A document never changes; another statement is the sheet's next version. The constants come from public sources
(population, jobs, floor area), so that a price follows from what anybody can read.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from bisect import bisect
from collections import Counter
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np
import rfc8785
from msgspec import Struct
from msgspec.structs import replace

from marketplace.core.errors import Invalid
from marketplace.core.web.csv_files import csv_file
from marketplace.privacy.key_set import area_of
from pricing.measure import Hours
from pricing.money import currency_code
from pricing.refusals import PricingRefusal
from pricing.sheet import BETWEEN, FULL_RATE, Consent, Figures, Law, Points, Segment, Sheet, Terms, Zone, points_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from marketplace.privacy.geography import Geography
    from marketplace.privacy.simulation.cells import Variant
    from marketplace.privacy.specification import Specification

COLUMNS: Final = ("zone", "weight", "people", "group")
HOUR_SECONDS: Final = 3_600
LARGEST_FILE_BYTES: Final = 30_000_000
MOST_GROUPS: Final = 50
"""Demand groups of a sheet: a quote states the points of each on each day, which must say little of withheld figures."""
LONGEST_GROUP: Final = 60
SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
USUAL_WEIGHT: Final = 100
"""Points of a perfect figure where nobody says otherwise: fewer are coarse, since points are whole."""
USUAL_WEIGHT_OF_PAIRS: Final = 10
"""The same for flows, whose pair of zones has the product of both weights."""
FIRST_GROUP: Final = "all"
"""The demand group that zones are proposed in."""
PERSON_VARIANCE_MICRO: Final = 250_000
"""The largest variance of one yes-or-no, in millionths."""
PRIOR_OBSERVATIONS: Final = 40
"""A buyer's prior knowledge of a zone, in people observed."""
SURVEY_PEOPLE: Final = 3_000
"""A buyer's knowledge of the whole area without the data, as that of a national survey of so many people."""
UNSEEN_SQUARED_MICRO: Final = 25
"""The squared correlation, in millionths, between being counted and consenting, assumed without an age band that shows
it: 0.005 squared, what Meng (2018) found for voters.
"""
FEE_BASIS_POINTS: Final = 500
FEE_FIXED_MINOR: Final = 50
"""The assumed fee of a payment before it is known, as a part of the price before VAT: well above Stripe's."""
ASSOCIATION_SQUARED_MICRO: Final = 2_500
"""The squared correlation assumed between being counted and the differences of age bands in consenting: 0.05 squared."""


class Rates(Struct, frozen=True):
    """What a price needs of a sheet besides points: the worth of a point, the half-life, rights and purposes."""

    worth_micro: int
    half_life_hours: int
    rights: dict[str, int]
    purposes: dict[str, int]


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of a sheet: the constants that points follow from, and the terms that a price needs besides them.

    zones: weight, people, area and demand group of each. segments: weight and share of people in millionths. worth_micro:
    of a point for a day's data, new, with every right and for good, in millionths of a cent. Rates are in basis points.
    """

    zones: dict[str, tuple[int, int, str, str]]
    segments: dict[str, tuple[int, int]]
    worth_micro: int
    half_life_hours: int
    rights: dict[str, int]
    purposes: dict[str, int]
    prior_observations: int = PRIOR_OBSERVATIONS
    survey_people: int = SURVEY_PEOPLE
    variance_micro: int = PERSON_VARIANCE_MICRO
    association_squared_micro: int = ASSOCIATION_SQUARED_MICRO
    unseen_squared_micro: int = UNSEEN_SQUARED_MICRO

    @property
    def groups(self) -> list[str]:
        """Return the demand groups of its zones, ascending."""
        return sorted({group for _, _, _, group in self.zones.values()})

    def sheet(self) -> Sheet:
        """Return what points are counted by. Refuses PricingRefusal."""
        return Sheet(
            zones={name: Zone(*zone) for name, zone in self.zones.items()},
            segments={name: Segment(*segment) for name, segment in self.segments.items()},
            prior_observations=self.prior_observations,
            survey_people=self.survey_people,
            variance_micro=self.variance_micro,
            association_squared_micro=self.association_squared_micro,
            unseen_squared_micro=self.unseen_squared_micro,
        )

    @property
    def rates(self) -> Rates:
        """Return what a price needs besides points and demand."""
        return Rates(self.worth_micro, self.half_life_hours, self.rights, self.purposes)

    def terms(self, sha256: str, demand: Mapping[str, int]) -> Terms:
        """Return what a price needs of it; demand: the multiplier of each group. Refuses PricingRefusal."""
        return terms_of(self.rates, sha256, demand)


def terms_of(rates: Rates, sha256: str, demand: Mapping[str, int]) -> Terms:
    """Return what a price needs of a sheet, named by its digest; demand: the multiplier of each group. Refuses PricingRefusal."""
    return Terms(
        sheet=sha256,
        worth_micro=rates.worth_micro,
        half_life_hours=rates.half_life_hours,
        rights=rates.rights,
        purposes=rates.purposes,
        demand=demand,
    )


class Stated(NamedTuple):
    """Constants in force for the days that begin at `since` or later, in hours since 1970."""

    since: int
    document: Document

    @classmethod
    def of(cls, starts_at: dt.datetime, document: str) -> Stated:
        """Return a version's constants."""
        return cls(ceil(starts_at.timestamp() / HOUR_SECONDS), read(document))


def all_groups(document: Document, before: Iterable[str]) -> list[str]:
    """Return the demand groups of a document's zones and of the versions before it, ascending; refuses too many."""
    groups = sorted({*document.groups, *before})
    if len(groups) > MOST_GROUPS:
        raise Invalid("A sheet has {most} groups of zones at most.", most=MOST_GROUPS)
    return groups


def constants_of(stated: Sequence[Stated], begins: int, zones: AbstractSet[str]) -> Document:
    """Return the constants of a day that begins at an hour: those in force then, or else the first that were.

    stated: the first in force first, at least one. Zones and segments that they lack have what they were given nearest
    before, or else first after; zones: the ones needed.
    """
    before = sum(one.since <= begins for one in stated)
    nearest, *others = [one.document for one in (*reversed(stated[:before]), *stated[before:])]
    known, segments = dict(nearest.zones), dict(nearest.segments)
    for other in others:
        known |= {zone: other.zones[zone] for zone in zones & other.zones.keys() - known.keys()}
        segments = other.segments | segments
    return replace(nearest, zones=known, segments=segments)


def count_points(stated: Sequence[Stated], release: Figures) -> Points:
    """Return the points of what a release publishes, each day's by the constants of that day. Refuses as `points_of` does."""
    starts = [one.since for one in stated]
    parts = []
    for _, alike in groupby(range(len(release.days)), lambda at: bisect(starts, release.days[at].start)):
        first, *_, last = [*alike] * 2
        days = slice(first, last + 1)
        figures = dataclasses.replace(
            release,
            days=release.days[days],
            published={figure: counts[days] for figure, counts in release.published.items()},
        )
        sheet = constants_of(stated, release.days[first].start, release.zones).sheet()
        parts.append(points_of(sheet, figures))
    declared, published, covered, accurate, even = (
        sum(stage) for stage in zip(*(one.stages for one in parts), strict=True)
    )
    spans = tuple(span for one in parts for span in one.spans)
    return Points(spans, (declared, published, covered, accurate, even))


def least_that_covers(promised_minor: int, operator_basis_points: int) -> int:
    """Return the least price, in cents, of which the operator's part, after the payment's fee, covers promises.

    promised_minor: >= 0, of one licence. operator_basis_points: the operator's part; it pays for the promises.
    """
    after_fee = -(-promised_minor * FULL_RATE // max(operator_basis_points, 1))
    return -(-(after_fee + FEE_FIXED_MINOR) * FULL_RATE // (FULL_RATE - FEE_BASIS_POINTS))


def promises_covered(least_minor: int, operator_basis_points: int) -> int:
    """Return how much of promises to contributors, in cents, the operator's part of a least charge covers after the fee."""
    after_fee = max(least_minor * (FULL_RATE - FEE_BASIS_POINTS) // FULL_RATE - FEE_FIXED_MINOR, 0)
    return after_fee * operator_basis_points // FULL_RATE


def write(document: Document) -> str:
    """Return a version's canonical JSON; refuses one by which nothing could be priced."""
    try:
        document.sheet()
        document.terms("", dict.fromkeys(document.groups, 1))
    except PricingRefusal as problem:
        raise Invalid("This sheet cannot be stated: {problem}.", problem=problem) from problem
    all_groups(document, ())
    return rfc8785.dumps(msgspec.to_builtins(document)).decode()


def read(text: str) -> Document:
    """Return a version from its canonical JSON."""
    return msgspec.json.decode(text, type=Document)


def read_constants(data: bytes, geography: Geography, level: int) -> dict[str, tuple[int, int, str, str]]:
    """Return the constants of zones in a CSV file with the columns `zone`, `weight`, `people` and `group`.

    weight: points of a perfect figure, about 100. people: how many are there by a public source. group: zones whose
    demand is learnt together. Refuses, with the row: what is no zone of the level, a zone named twice, and what is no
    whole number of at least 1.
    """
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig")), strict=True)
        if missing := set(COLUMNS) - set(rows.fieldnames or ()):
            raise Invalid("The file has no column {column}.", column=min(missing), field="constants")
        zones: dict[str, tuple[int, int, str, str]] = {}
        for number, row in enumerate(rows, 2):
            name, zone = _zone(row, number, geography, level)
            if name in zones:
                raise Invalid("Row {row}: the zone {zone} is there twice.", row=number, zone=name, field="constants")
            zones[name] = zone
    except (UnicodeDecodeError, csv.Error):
        raise Invalid("The file is no CSV in UTF-8.", field="constants") from None
    if not zones:
        raise Invalid("The file names no zone.", field="constants")
    return zones


def document_of_files(constants: bytes, terms: bytes, geography: Geography, level: int) -> Document:
    """Return a version from a CSV of constants and a JSON of all else, as a document has it; refuses what is neither."""
    zones = read_constants(constants, geography, level)
    try:
        stated = msgspec.json.decode(terms, type=dict[str, Any])
        return msgspec.convert(stated | {"zones": zones}, Document)
    except msgspec.MsgspecError as problem:
        raise Invalid("The file of terms is not one: {problem}.", problem=problem) from None


def law_of_file(stated: bytes) -> Law:
    """Return a law of volume from JSON: currency, volume and least_minor; refuses what is none."""
    try:
        return msgspec.json.decode(stated, type=Law)
    except (msgspec.MsgspecError, PricingRefusal) as problem:
        raise Invalid("The file is no law of volume: {problem}.", problem=problem) from None


def constants_file(zones: Mapping[str, tuple[int, int, str, str]]) -> bytes:
    """Return zones' constants as the CSV file that `read_constants` reads, by zone."""
    rows = ([zone, weight, people, group] for zone, (weight, people, _, group) in sorted(zones.items()))
    return csv_file(COLUMNS, rows)


def propose_constants(
    zones: Iterable[str],
    geography: Geography,
    *,
    people_by_area: Mapping[str, int],
    people_else: int,
    is_of_pairs: bool,
) -> dict[str, tuple[int, int, str, str]]:
    """Return constants to begin from: all zones weigh alike, in one group, and share their area's people alike.

    people_by_area: as published. people_else: the people of each zone of any other area, at least 1.
    """
    weight = USUAL_WEIGHT_OF_PAIRS if is_of_pairs else USUAL_WEIGHT
    areas = {zone: area_of(zone, geography) for zone in zones}
    sizes = Counter(areas.values())
    return {
        zone: (
            weight,
            max(people_by_area[area] // sizes[area], 1) if area in people_by_area else people_else,
            area,
            FIRST_GROUP,
        )
        for zone, area in areas.items()
    }


def check_market(code: str, titles: Sequence[str], currency: str) -> None:
    """Refuse a market's code that is no slug, a missing title, and what is no currency's code."""
    if not SLUG.fullmatch(code):
        raise Invalid("A market’s code has small letters, digits and hyphens, such as presence-day.", field="code")
    if not all(title.strip() for title in titles):
        raise Invalid(
            "A market has a title in both languages.", field="title_fr" if not titles[0].strip() else "title_en"
        )
    try:
        currency_code(currency)
    except PricingRefusal:
        raise Invalid("A currency is three capital letters, such as EUR.", field="currency") from None


def _zone(
    row: Mapping[str, Any], number: int, geography: Geography, level: int
) -> tuple[str, tuple[int, int, str, str]]:
    name, group = ((row[column] or "").strip() for column in ("zone", "group"))
    if geography.level(name) != level:
        raise Invalid("Row {row}: {zone} is no zone of this sheet.", row=number, zone=name or "''", field="constants")
    if not 0 < len(group) <= LONGEST_GROUP or not group.isprintable() or BETWEEN in group:
        raise Invalid(
            "Row {row}: a group has a name of {most} signs at most.", row=number, most=LONGEST_GROUP, field="constants"
        )
    try:
        weight, people = (int(row[column] or "") for column in ("weight", "people"))
    except ValueError:
        weight = people = 0
    if min(weight, people) < 1:
        raise Invalid("Row {row}: weight and people are whole numbers of at least 1.", row=number, field="constants")
    return name, (weight, people, area_of(name, geography), group)


def foreseen_points(
    document: Document, s: Specification, variant: Variant, period: tuple[dt.datetime, dt.datetime]
) -> Points:
    """Return the points that a release would have if what it is foreseen to publish were spread alike over its figures.

    Refuses PricingRefusal where its zones or segments are not on the sheet.
    """
    sheet, foreseen = document.sheet(), variant.foreseen
    begins, ends = (int(instant.timestamp()) // 3_600 for instant in period)
    places = s.named(np.arange(s.place_count)).tolist()
    figures = [(place, segment) for place in places for segment in s.segments]
    steps = max(foreseen.key_count // max(len(figures), 1), 1)
    each, rest = divmod(min(foreseen.cells, steps * len(figures)), max(len(figures), 1))
    published = {figure: [each + (number < rest)] for number, figure in enumerate(figures)}
    areas = {zone: sheet.origin(zone).area for zone in s.zones}
    there = Counter(areas.values())
    consent = {
        area: Consent(variant.consenting * zones // len(s.zones), max(variant.population * zones // len(s.zones), 1))
        for area, zones in there.items()
    }
    bands = zip(variant.consenting_by_band, variant.population_by_band, strict=True)
    return points_of(
        sheet,
        Figures(
            days=[Hours(begins, ends)],
            steps=steps,
            published=published,
            zones=frozenset(s.zones),
            consent=consent,
            bands=tuple((people, population) for people, population in bands if population),
            noise_micro=foreseen.noise_variance_micro,
        ),
    )
