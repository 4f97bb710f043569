"""A dossier is read by people who know no statistics: whole sentences in both languages, and no figure is left out."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from marketplace.catalogue.steward.findings_words import NAMED, ExplainedFinding, explain, words
from marketplace.core.web.i18n import language
from marketplace.datasets.releases.dossier import SENTENCES

TRAJECTORIES = {
    "simulated_people": 26_400,
    "median_cell": 88,
    "moving_together": 1,
    "hours_sought": 4_000,
    "right_by_chance_micro": 125_000,
    "right_from_exact_counts_micro": 1_000_000,
    "right_from_release_micro": 159_250,
    "right_at_most_micro": 190_500,
    "paths_power_micro": 980_999,
}
MEMBERSHIP = {"people_draws": 10_259, "people_shown_micro": 900_000, "people_power_micro": 1_000_000}
JOINT = {"releases_held": 1, "epsilon_micro": 4_000_000, "delta_exponent": 9, "allowed_micro": 20_000_000}


@contextlib.contextmanager
def in_language(tongue: str) -> Iterator[None]:
    token = language.set(tongue)
    try:
        yield
    finally:
        language.reset(token)


def words_of_finding(test: str, figures: dict[str, int], *, is_gaussian: bool = False) -> str:
    return " ".join(
        ExplainedFinding({"test": test, "passed": True, "figures": figures}, is_gaussian=is_gaussian).sentences
    )


def test_figures_are_said_as_percentages_times_and_chances() -> None:
    with in_language("en"):
        followed = words_of_finding("trajectories", TRAJECTORIES)
        assert (
            "right in 12.5% of hours. With exact figures: in 100.0%. With noise as in this release: in 15.9%"
            in followed
        )
        assert "caught in at least 98.0% of cases" in followed
        assert "move together" not in followed, "one alone is the usual case"
        assert "5 people move together" in words_of_finding("trajectories", TRAJECTORIES | {"moving_together": 5})
        seen = words_of_finding("membership", MEMBERSHIP)
        assert "10,259 counts of people shows at least 90.0% of the stated loss; more than 100% would block" in seen
        assert "at least 99.9% of cases" in seen, "nothing is certain"
        assert "shows at least 81.0%" in words_of_finding("membership", MEMBERSHIP, is_gaussian=True), (
            "of Gaussian noise the root"
        )
        joint = words_of_finding("joint loss", JOINT)
        assert "cost ε 4; a year allows ε 20." in joint
        assert "at most 55 times as likely with a person’s data as without, save one chance in 1,000,000,000" in joint
        none = {"threshold": 44, "least_published": 44, "cells_published": 0, "expected_false_cells_micro": 85_000}
        assert "smallest" not in words_of_finding("threshold", none), "of no figures none is the smallest"
    with in_language("fr"):
        assert "au plus 55 fois plus probable avec" in words_of_finding("joint loss", JOINT)


@pytest.mark.parametrize("name", sorted(SENTENCES))
def test_every_figure_of_the_gate_is_in_a_sentence(name: str) -> None:
    shown = {one for _, templates in words().values() for text in templates for one in NAMED.findall(text)}
    assert name in shown | {"delta_exponent"}


def test_criteria_come_in_the_gates_order_and_what_no_sentence_knows_is_shown_as_it_is() -> None:
    test: dict[str, Any] = {"test": "membership", "passed": True, "figures": {"people_shown_micro": 12_000, "odd": 7}}
    criteria = {name: {"tests": [test]} for name in ("inference", "linkability", "singling out")}
    with in_language("en"):
        found = explain({"promise": {"mechanism": "discrete laplace"}, "criteria": criteria})
    assert [name for name, _ in found] == ["singling out", "linkability", "inference"]
    assert found[0][1][0].sentences == ["share of the stated loss that they show 0.012", "odd 7"]


@pytest.mark.parametrize("tongue", ["en", "fr"])
def test_no_sentence_shows_a_name_of_the_code(tongue: str) -> None:
    with in_language(tongue):
        for test, (asks, templates) in words().items():
            names = {name for text in templates for name in NAMED.findall(text)}
            shown = words_of_finding(test, dict.fromkeys(names - {"times", "one_in"}, 2))
            assert asks.endswith("?")
            assert not re.search(r"_|%\(|%%", shown), shown
