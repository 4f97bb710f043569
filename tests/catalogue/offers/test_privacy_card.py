"""The deployment card: every figure is the specification's that builds use, and the page leads to it."""

import dataclasses
import datetime as dt
from typing import Any

import pytest

from marketplace.core.settings import settings
from marketplace.datasets.releases import queries
from marketplace.privacy import noise
from marketplace.privacy.deployment_card import ENGINES, Deployment, card
from marketplace.privacy.specification import Specification
from tests.catalogue.builders import open_catalogue, seal_week
from tests.people.builders import Browser
from tests.privacy.specs import gaussian, specification

HAZARDS = 15
"""A card answers so many at least."""


def says_the_specifications(figures: dict[str, Any], s: Specification) -> None:
    """Refuse a figure that is not the specification's."""
    assert (figures["unit"], figures["units"], figures["time_zone"]) == (s.unit, s.clock.units, s.time_zone)
    assert (figures["mechanism"], figures["epsilon_micro"]) == (s.mechanism, s.epsilon_micro)
    assert (figures["delta_exponent"], figures["unit_rho_nano"]) == (s.delta_exponent, s.unit_rho_nano)
    bounds = {"cells": s.max_cells, "events": s.max_events, "zones": s.max_zones, "reach": s.reach}
    assert figures["bounds"] == bounds
    assert (figures["threshold"], figures["keys"]) == (s.threshold, s.key_count)
    assert set(figures["noise"]) == set(s.parts)
    assert sum(part["share_percent"] for part in figures["noise"].values()) == 100
    for part, stated in figures["noise"].items():
        assert (stated["scale"], stated["variance"]) == (s.law(part).scale, s.law(part).variance)
        assert (stated["sensitivity_l1"], stated["sensitivity_l2_squared"]) == s.sensitivities(part)


def deployed(s: Specification, **other: Any) -> dict[str, Any]:
    stated: dict[str, Any] = {
        "title": "Lyon",
        "description": "Who is where.",
        "area": "Lyon",
        "curator": "An operator",
        "release": "a release",
        "specification_digest": s.digest,
        "published_at": dt.datetime(2026, 3, 9, tzinfo=dt.UTC),
        "engine": "table",
        "dataset_budget_micro": 8_000_000,
        "year_budget_micro": 12_000_000,
        "edition_multiples": [4],
    }
    return card(s, Deployment(**stated | other))


@pytest.mark.parametrize(
    "s",
    [
        specification(20),
        gaussian(20, unit="day", hours=72),
        specification(20, max_zones=3),
        specification(49, parent_resolution=7),
        specification(20, hours=72, bands=1, product="flows", unit="day"),
    ],
)
def test_each_figure_is_the_specifications(s: Specification) -> None:
    stated = deployed(s)
    says_the_specifications(stated["figures"], s)
    assert stated["figures"]["is_todays_method"]
    assert not deployed(s, specification_digest="00")["figures"]["is_todays_method"]
    loss = stated["deployment"]["privacy_loss"]
    assert loss["privacy_parameters"]["epsilon"] == s.epsilon_micro / noise.MICRO
    assert ("delta" in loss["privacy_parameters"]) == (s.mechanism == "gaussian")
    assert loss["number_of_privacy_units"] == (3 if s.unit == "day" else 1)
    assert stated["deployment"]["dp_variant"]["variant_name"] == ("Pure DP" if s.delta == 0 else "Approximate DP")
    answers = {row["hazard"]: row["answer"] for row in stated["hazards"]}
    assert len(answers) >= HAZARDS
    assert all(answer.endswith(".") for answer in answers.values())
    assert "12 a year" in answers["privacy parameters"]
    assert ENGINES["table"] in stated["deployment"]["implementation"]["mechanisms"]
    other = deployed(dataclasses.replace(s, max_cells=5))
    assert other["figures"]["bounds"]["cells"] == 5
    assert "5 cells" in {row["hazard"]: row["answer"] for row in other["hazards"]}["unbounded contributions"]


async def test_anyone_reads_the_card_of_what_is_for_sale_from_its_page() -> None:
    await open_catalogue("lyon")
    release = await seal_week("lyon", sampler="opendp")
    address = "/api/v1/datasets/lyon/privacy-card.json"
    async with Browser() as browser:
        for language in ("en", "fr"):
            assert address in (await browser.get(f"/{language}/datasets/lyon")).text
        answer = await browser.get(address)
        assert answer.status_code == 200
        assert (await browser.get("/api/v1/datasets/nowhere/privacy-card.json")).status_code == 404
    stated = answer.json()
    row, terms = await queries.get_release(release), await queries.get_dataset("lyon")
    s = await queries.get_specification(terms, row.period_from, row.period_to, revision=row.revision)
    says_the_specifications(stated["figures"], s)
    assert stated["figures"]["year_budget_epsilon_micro"] == settings().subscriber_year_epsilon_micro
    assert stated["figures"]["dataset_budget_epsilon_micro"] == terms.budget_micro
    assert stated["figures"]["noise_engine"] == row.sampler
    assert stated["figures"]["release"] == str(release)
    assert stated["deployment"]["basic"]["data_curators"][0]["data_curator_name"] == settings().seller_name
