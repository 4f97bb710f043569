"""What a price is made of: sheets, figures and licences, drawn at random."""

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from pricing.measure import Hours
from pricing.money import Money
from pricing.order import Licence, Lot
from pricing.sheet import Consent, Figures, Law, Segment, Sheet, Terms, Zone, points_of


def eur(minor: int) -> Money:
    """Return euros."""
    return Money(minor, "EUR")


ZONES = {
    "centre": Zone(180, 9_000, "city", "dear"),
    "station": Zone(90, 2_500, "city", "dear"),
    "hill": Zone(100, 6_000, "city", "plain"),
    "coast": Zone(140, 12_000, "coast", "plain"),
}
SEGMENTS = {"": Segment(1, 10**6)}
BY_AGE = {"young": Segment(2, 400_000), "old": Segment(1, 600_000)}
AREAS = {"city": frozenset({"centre", "station", "hill"}), "coast": frozenset({"coast"})}
RIGHTS = {"internal": 6_000, "publish": 8_000, "resell": 10_000}
PURPOSES = {"planning": 3_000, "retail": 5_000, "research": 4_000}
NOON = 500_000
"""An instant after all data, in hours since 1970."""


def sheet(segments: dict[str, Segment] = SEGMENTS, **stated: int) -> Sheet:
    """Return a market of four zones in two areas and two groups of demand."""
    usual = {"prior_observations": 40, "survey_people": 3_000, "variance_micro": 250_000}
    correlations = {"association_squared_micro": 2_500, "unseen_squared_micro": 25}
    return Sheet(zones=ZONES, segments=segments, **usual | correlations | stated)


def three_days(areas: Iterable[str] = AREAS, segments: Iterable[str] = SEGMENTS, **changed: Any) -> Figures:
    """Return three days of whole areas, of which all figures are published."""
    zones = frozenset[str]().union(*(AREAS[area] for area in areas))
    days = tuple(Hours(NOON - 24 * ago, NOON - 24 * ago + 24) for ago in (3, 2, 1))
    usual: dict[str, Any] = {
        "days": days,
        "steps": 1,
        "published": {(zone, segment): [1] * len(days) for zone in sorted(zones) for segment in segments},
        "zones": zones,
        "consent": {"city": Consent(6_000, 17_500), "coast": Consent(5_000, 12_000)},
        "bands": ((4_000, 12_000), (7_000, 17_500)),
        "noise_micro": 50_000_000,
    }
    return Figures(**usual | changed)


def market_terms(**changed: Any) -> Terms:
    """Return the terms of that market."""
    usual: dict[str, Any] = {
        "sheet": sheet().digest,
        "worth_micro": 30_000_000,
        "half_life_hours": 24 * 60,
        "rights": RIGHTS,
        "purposes": PURPOSES,
        "demand": {"dear": 10_400, "plain": 9_700},
    }
    return Terms(**usual | changed)


LAW = Law(currency="EUR", volume=((0, 10_000), (20_000, 8_000), (100_000, 3_000)), least_minor=900)


@st.composite
def laws(draw: st.DrawFn) -> Law:
    """Draw a law of what an order costs."""
    starts = [0, *sorted(draw(st.sets(st.integers(1, 200_000), max_size=3)))]
    rates = sorted(draw(st.lists(st.integers(0, 10_000), min_size=len(starts), max_size=len(starts))), reverse=True)
    return Law(currency="EUR", volume=tuple(zip(starts, rates, strict=True)), least_minor=draw(st.integers(1, 5_000)))


@st.composite
def lots(draw: st.DrawFn) -> Lot:
    """Draw a lot of a release of some areas, of which some figures are published, under any licence."""
    areas = draw(st.sampled_from([("city",), ("coast",), ("city", "coast")]))
    whole = three_days(areas)
    counts = st.lists(st.integers(0, 1), min_size=len(whole.days), max_size=len(whole.days))
    published = {cell: draw(counts) for cell in whole.published}
    consent = {area: Consent(draw(st.integers(0, most)), most) for area, most in (("city", 17_500), ("coast", 12_000))}
    release = three_days(areas, published=published, consent=consent, noise_micro=draw(st.integers(0, 10**9)))
    since = NOON + draw(st.integers(0, 5_000))
    until = draw(st.none() | st.integers(1, 20_000).map(lambda hours: since + hours))
    purposes = tuple(sorted(draw(st.sets(st.sampled_from(sorted(PURPOSES))))))
    licence = Licence(since, until, draw(st.sampled_from(sorted(RIGHTS))), purposes)
    return Lot("release", market_terms(), licence, points_of(sheet(), release))
