"""A dataset's deployment card: its privacy promise for machines and auditors, from the specification that builds use.

Its fields are those that the registries of deployments ask for, so that a card can be filed as it is. It adds the
figures themselves, and an answer to each hazard that an evaluation checks. It is public: it depends on no data except
what a release has published.

Source: OpenDP, Deployments Registry (the fields of `deployment`), which NIST's registry of differential privacy deployments
shares; NIST SP 800-226, "Guidelines for evaluating differential privacy guarantees", 2025 (the hazards).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from marketplace.core.local_time import UTC
from marketplace.privacy import budget, noise
from marketplace.privacy.specification import METHOD
from marketplace.privacy.thresholds import EXPECTED_FALSE_CELLS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.privacy.specification import Specification

VERSION: Final = 1
ENGINES: Final = {
    "opendp": "OpenDP's exact integer samplers",
    "table": "our own table sampler: inversion of 128 random bits, within 2^-99 of the exact law a draw",
}
"""The engines that draw noise, by their names in a release."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a card says beyond the specification: who publishes what for which use, within which budgets."""

    title: str
    description: str
    area: str
    curator: str
    release: str
    specification_digest: str
    """The digest of the specification with which the release was built."""
    published_at: dt.datetime
    engine: str
    """The engine that drew the release's noise, one of ENGINES."""
    dataset_budget_micro: int
    year_budget_micro: int
    edition_multiples: Sequence[int]


def card(specification: Specification, deployment: Deployment) -> dict[str, Any]:
    """Return a dataset's card as plain JSON: the registries' fields, the figures, and the hazards with their answers."""
    s, d = specification, deployment
    return {
        "kind": "privacy deployment card",
        "version": VERSION,
        "url_slug": s.dataset,
        "deployment": {
            "basic": {
                "name": d.title,
                "data_curators": [{"data_curator_name": d.curator, "data_curator_type": "Company"}],
                "description": d.description,
                "intended_use": f"Licensed statistics of the purpose {s.purpose}, of those who consented to it.",
                "data_product_type": "Summary statistics",
                "data_product_region": d.area,
                "data_product_sector": "Technology",
                "publication_date": d.published_at.date().isoformat(),
            },
            "dp_variant": _variant(s),
            "privacy_loss": _loss(s),
            "deployment_model": {
                "model_name": "Central",
                "trust_assumptions": "The operator counts true events in its own build and is trusted to delete what it counted.",
                "actors": "The operator (curator), its subscribers (data subjects), partners (who buy releases).",
                "release_type": "Many releases",
                "data_source_type": "Dynamic",
                "access_type": "Non-interactive",
            },
            "implementation": _implementation(s, d),
        },
        "figures": _figures(s, d),
        "hazards": _hazards(s, d),
    }


def _variant(s: Specification) -> dict[str, Any]:
    return {
        "variant_name": "Pure DP" if s.mechanism == "laplace" else "Approximate DP",
        "data_domain": "Sets of events (line, instant, place) under the consents in force at the start of the build.",
        "unprotected_quantities": (
            "What is declared: zones, times, segments, bounds, losses, thresholds, and the size of the operator's "
            "customer register by area and age band."
        ),
    }


def _loss(s: Specification) -> dict[str, Any]:
    parameters: dict[str, float] = {"epsilon": s.epsilon_micro / noise.MICRO}
    if s.mechanism == "gaussian":
        parameters |= {"delta": s.delta, "rho": s.unit_rho_nano / noise.NANO}
    return {
        "privacy_unit": _unit(s),
        "privacy_unit_details": "A line of the operator, not a person: who has two lines loses twice as much.",
        "number_of_privacy_units": s.clock.units,
        "privacy_parameters": parameters,
    }


def _unit(s: Specification) -> str:
    if s.unit == "release":
        return "One line in one release: all its events of the period, and its consent."
    return f"One line's events of one day ({s.time_zone}); its consent is protected for the whole release."


def _implementation(s: Specification, d: Deployment) -> dict[str, Any]:
    return {
        "preprocessing_and_hyperparameter_tuning": (
            "Bounds, zones and losses are declared before any data is looked at; none is tuned on it."
        ),
        "mechanisms": f"Discrete {s.mechanism} noise on every cell of a declared key set, drawn by {ENGINES[d.engine]}.",
        "composition": (
            "Every release of every dataset is charged to a line's year as concentrated loss, in whole numbers rounded up; "
            "the charge is committed before the data is looked at and never given back."
        ),
        "post_processing": _post_processing(s, d),
        "justification": (
            f"A noisy count below {s.threshold} is withheld; noise alone lifts {EXPECTED_FALSE_CELLS} empty cells of a "
            "release over that on average."
        ),
    }


def _post_processing(s: Specification, d: Deployment) -> str:
    steps = ["withholding below the threshold", "raising events to people"]
    steps += ["adding up withheld cells over their parent zone"] if s.parent_resolution else []
    steps += ["scaling by noisy totals"] if s.max_zones else []
    steps += ["coarser editions made from the published cells"] if d.edition_multiples else []
    return f"Of noisy counts alone: {', '.join(steps)}."


def _figures(s: Specification, d: Deployment) -> dict[str, Any]:
    laws = {part: (s.law(part), s.sensitivities(part)) for part in s.parts}
    return {
        "release": d.release,
        "specification": d.specification_digest,
        "method": METHOD,
        "is_todays_method": s.digest == d.specification_digest,
        "period": [s.period_from.isoformat(), s.period_to.isoformat()],
        "unit": s.unit,
        "units": s.clock.units,
        "time_zone": s.time_zone,
        "mechanism": s.mechanism,
        "noise_engine": d.engine,
        "epsilon_micro": s.epsilon_micro,
        "delta_exponent": s.delta_exponent,
        "unit_rho_nano": s.unit_rho_nano,
        "bounds": {"cells": s.max_cells, "events": s.max_events, "zones": s.max_zones, "reach": s.reach},
        "noise": {
            part: {
                "share_percent": s.percent_of(part),
                "sensitivity_l1": total,
                "sensitivity_l2_squared": squares,
                "scale": law.scale,
                "variance": law.variance,
            }
            for part, (law, (total, squares)) in laws.items()
        },
        "threshold": s.threshold,
        "keys": s.key_count,
        "expected_false_cells": EXPECTED_FALSE_CELLS,
        "edition_variance_multiples": list(d.edition_multiples),
        "dataset_budget_epsilon_micro": d.dataset_budget_micro,
        "year_budget_epsilon_micro": d.year_budget_micro,
        "year_delta_exponent": budget.YEAR_DELTA_EXPONENT,
    }


def _hazards(s: Specification, d: Deployment) -> list[dict[str, str]]:
    """Return each hazard and a sentence that answers it."""
    epsilon = f"{s.epsilon_micro / noise.MICRO:g}"
    year = f"{d.year_budget_micro / noise.MICRO:g}"
    days = (
        ""
        if s.unit == "release"
        else f" A line that is in all {s.clock.units} days of the period can lose as often as that."
    )
    chance = (
        "Delta is 0." if s.mechanism == "laplace" else f"With a probability of at most {s.delta:g} more may be lost."
    )
    zone = "UTC" if s.time_zone == UTC else f"the time zone {s.time_zone}"
    answers = {
        "privacy parameters": f"Epsilon is {epsilon} a unit; all datasets together may cost a line {year} a year. {chance}",
        "unit of privacy": f"{_unit(s)}{days} Days are those of {zone}.",
        "unbounded contributions": (
            f"A line counts in at most {s.max_cells} cells a unit, with at most {s.max_events} events in each; which cells "
            "is chosen by a hash under a key that each build draws for itself."
        ),
        "bounds taken from data": "None is: bounds are declared when a dataset is defined and can never change.",
        "groups taken from data": "None is: zones, times and segments are declared, and empty cells bear noise like all others.",
        "small groups": f"A noisy count below {s.threshold} is withheld; small groups lose accuracy by that, not privacy.",
        "composition": "Overlapping releases add up; the gate composes each with all that a partner may hold before it is published.",
        "budget reset": "A budget is never given back, not even by a build that failed; a revision of a release is paid for again.",
        "repeated answers": "Each cell is drawn once and kept; everyone who buys a release gets the same figures.",
        "correlated releases": "Coarser editions are made from the published cells: all together reveal what the finest does.",
        "finite precision": "Counts and noise are whole numbers; no floating-point number touches a draw.",
        "implementation errors": (
            "Before publication simulated people are counted and drawn by the same programs; noise that loses twice what is "
            "stated is found at least nine times in ten, and the signed dossier says so."
        ),
        "timing": "Nobody but the operator can start a build, and how long one takes is not published.",
        "randomness": "Keys come from the operating system and follow from no setting; that of the noise ends with its build.",
        "data security": "True counts end with the build; who counts in how many cells is kept privately, to pay them for what is sold.",
        "data collection": "An event counts only under a consent that holds at its instant and when the build starts.",
        "what is not protected": "That the operator has so many customers in an area and age band, and everything that is declared.",
        "bias": "How many consent is published by age band and area, with noise, so that gaps in who is counted can be seen.",
    }
    return [{"hazard": hazard, "answer": answer} for hazard, answer in answers.items()]
