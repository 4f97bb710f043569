"""What a price is made of: the inputs of a city's release."""

from __future__ import annotations

from hypothesis import strategies as st

from pricing.money import Money
from pricing.quote import Band, Day, PriceInputs

DAY = 86_400


CITY = PriceInputs(
    currency="EUR",
    full_worth_minor=500_000,
    worth_days=14,
    days=(*(Day(24, cells, 142) for cells in (142, 140, 131, 128, 120, 90)), Day(25, 50, 148)),
    bands=(Band(30_000, 120_000), Band(62_000, 160_000), Band(21_600, 75_000)),
    cells_at_once=142,
    people=113_600,
    population=355_000,
    association_squared_micro=2_500,
    unseen_squared_micro=25,
    variance_micro=250_000,
    noise_variance_micro=500_000_000,
    prior_observations=40,
    survey_people=3_000,
    age_seconds=9 * DAY + 3_600,
    half_life_days=45,
    right_basis_points=8_000,
    term_months=3,
    demand_basis_points=10_400,
    floor_minor=20_000,
    cap_minor=900_000,
)


@st.composite
def inputs(draw: st.DrawFn) -> PriceInputs:
    """Draw any inputs that can be priced."""
    population, declared = draw(st.integers(1, 10**7)), draw(st.integers(1, 10**6))
    days = draw(st.lists(st.tuples(st.integers(1, 10**3), st.integers(0, declared)), min_size=1, max_size=9))
    bands = draw(st.lists(st.integers(1, 10**6).flatmap(lambda all_: st.tuples(st.integers(0, all_), st.just(all_)))))
    cap, unseen = draw(st.integers(0, 10**9)), draw(st.integers(0, 10**6))
    return PriceInputs(
        currency=draw(st.sampled_from(["EUR", "CHF"])),
        full_worth_minor=draw(st.integers(0, 10**9)),
        worth_days=draw(st.integers(1, 366)),
        days=tuple(Day(hours, published, declared) for hours, published in days),
        bands=tuple(Band(*band) for band in bands),
        cells_at_once=draw(st.integers(1, 10**6)),
        people=draw(st.integers(1, population)),
        population=population,
        association_squared_micro=draw(st.integers(0, 10**6 - unseen)),
        unseen_squared_micro=unseen,
        variance_micro=draw(st.integers(1, 10**9)),
        noise_variance_micro=draw(st.integers(0, 10**12)),
        prior_observations=draw(st.integers(1, 10**6)),
        survey_people=draw(st.integers(1, 10**6)),
        age_seconds=draw(st.integers(0, 10**9)),
        half_life_days=draw(st.integers(1, 10**4)),
        right_basis_points=draw(st.integers(0, 10**4)),
        term_months=draw(st.integers(0, 120)),
        demand_basis_points=draw(st.integers(0, 10**5)),
        floor_minor=draw(st.integers(0, cap)),
        cap_minor=cap,
    )


def eur(minor: int) -> Money:
    """Return euros."""
    return Money(minor, "EUR")
