"""A dossier's findings in words: the question of each test, and a sentence for each group of figures.

A sentence is shown if the dossier has all of its figures. Figures without a sentence follow under their own names.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from marketplace.core.web.formats import epsilon, number, percent_micro
from marketplace.core.web.i18n import gettext
from marketplace.datasets.releases.dossier import SENTENCES
from marketplace.privacy.gate.findings import CRITERIA

if TYPE_CHECKING:
    from collections.abc import Mapping

MICRO: Final = 1_000_000
SUREST_MICRO: Final = 999_000
"""A higher probability is shown as at least this one, since no probability is certain."""
LARGEST_EPSILON_MICRO: Final = 50 * MICRO
"""Above it the number of times is left out, since nobody can picture it."""
USUAL: Final = {"moving_together": 1, "over_other_zones": 0, "units": 1}
"""Figures that are left out if they have these values."""
NAMED: Final = re.compile(r"%\((\w+)\)s")


class ExplainedFinding:
    """A finding in words."""

    __slots__ = ("asks", "passed", "sentences", "test")

    def __init__(self, finding: Mapping[str, Any], *, is_gaussian: bool) -> None:
        """Read a test of a dossier. is_gaussian: whether the noise is Gaussian, whose loss grows with a square."""
        self.test: str = finding["test"]
        self.passed: bool = finding["passed"]
        self.asks, templates = words().get(self.test, ("", []))
        figures = _written(finding["figures"], is_gaussian=is_gaussian)
        templates = [one for one in templates if set(NAMED.findall(one)) <= figures.keys()]
        named = {name for one in templates for name in NAMED.findall(one)}
        rest = [name for name in finding["figures"] if name in figures.keys() - named]
        self.sentences = [one % figures for one in templates]
        self.sentences += [
            f"{gettext(SENTENCES.get(name, name))} {_plain(name, finding['figures'][name])}" for name in rest
        ]


def explain(dossier: Mapping[str, Any]) -> list[tuple[str, list[ExplainedFinding]]]:
    """Return the findings of a dossier, by criterion in the gate's order."""
    is_gaussian = "gaussian" in dossier["promise"]["mechanism"]
    found = dossier["criteria"]
    return [
        (name, [ExplainedFinding(test, is_gaussian=is_gaussian) for test in found[name]["tests"]])
        for name in CRITERIA
        if name in found
    ]


def _plain(name: str, value: int) -> str:
    return number(round(value / MICRO, 3) if name.endswith("_micro") else value)


def _at_least(share_micro: int) -> str:
    return percent_micro(share_micro // 1_000 * 1_000)


def _written(figures: Mapping[str, int], *, is_gaussian: bool) -> dict[str, str]:
    """Return figures as sentences show them, without usual values and with derived ones."""
    written = {}
    for name, value in figures.items():
        if name in {"epsilon_micro", "allowed_micro"}:
            written[name] = epsilon(value)
        elif name.endswith("_power_micro"):
            written[name] = _at_least(min(value, SUREST_MICRO))
        elif name.endswith("_shown_micro"):
            written[name] = _at_least(value * value // MICRO if is_gaussian else value)
        elif name.startswith("right_"):
            written[name] = percent_micro(value)
        else:
            written[name] = _plain(name, value)
    if not figures.get("cells_published", 1):
        del written["least_published"]
    written = {name: text for name, text in written.items() if figures[name] != USUAL.get(name)}
    if "delta_exponent" in figures and figures.get("epsilon_micro", MICRO * MICRO) <= LARGEST_EPSILON_MICRO:
        written["times"] = number(math.ceil(math.exp(figures["epsilon_micro"] / MICRO)))
        written["one_in"] = number(10 ** figures["delta_exponent"])
        del written["delta_exponent"]
    return written


def words() -> dict[str, tuple[str, list[str]]]:
    """Return each test's question and sentences, in the page's language."""
    return _of_one_release() | _of_several() | _of_simulations()


def _of_one_release() -> dict[str, tuple[str, list[str]]]:
    _ = gettext
    return {
        "threshold": (
            _("Is every published figure of enough people?"),
            [
                _("%(cells_published)s figures are published."),
                _("The smallest says %(least_published)s people; below %(threshold)s, a figure is withheld."),
                _(
                    "If nobody were anywhere, noise alone would publish %(expected_false_cells_micro)s figures on average."
                ),
            ],
        ),
        "bounds": (
            _("Does anybody weigh more than is promised?"),
            [
                _("A person counts in at most %(max_cells)s figures, with at most %(max_events)s events in each."),
                _("That is for each day: there are %(units)s, and the promise is made for one."),
                _("The events of one person can change at most %(reach)s figures."),
            ],
        ),
        "totals less parts": (
            _("Can a withheld figure be found by subtraction?"),
            [
                _("%(totals_with_parts)s totals were compared with the parts that they add up."),
                _("%(exposed)s withheld figures would be found so."),
                _("%(over_other_zones)s other releases are over other zones, and nothing is subtracted from those."),
            ],
        ),
    }


def _of_several() -> dict[str, tuple[str, list[str]]]:
    _ = gettext
    return {
        "differences": (
            _("Does comparing releases cancel the noise?"),
            [
                _("Other releases that share days with this one: %(releases_held)s."),
                _("Figures for the same zone, time and group as in this one: %(cells_compared)s."),
            ],
        ),
        "charges": (
            _("Is every loss of privacy written down?"),
            [_("Losses missing from what people may lose in a year: %(not_charged)s.")],
        ),
        "joint loss": (
            _("What do all of these releases reveal together?"),
            [
                _("Other releases that share days with this one: %(releases_held)s."),
                _("Together they cost ε %(epsilon_micro)s; a year allows ε %(allowed_micro)s."),
                _(
                    "Any result is at most %(times)s times as likely with a person’s data as without, save one chance "
                    "in %(one_in)s."
                ),
            ],
        ),
    }


def _of_simulations() -> dict[str, tuple[str, list[str]]]:
    _ = gettext
    return {
        "trajectories": (
            _("Can somebody be followed from hour to hour?"),
            [
                _(
                    "%(simulated_people)s simulated people move about a city; half of the figures with anybody in them have %(median_cell)s or more."
                ),
                _("In %(hours_sought)s hours a program guesses in which of eight zones the person sought is."),
                _("So that it has a chance, %(moving_together)s people move together."),
                _("By chance alone it is right in %(right_by_chance_micro)s of hours."),
                _("With exact figures: in %(right_from_exact_counts_micro)s."),
                _("With noise as in this release: in %(right_from_release_micro)s."),
                _("In more than %(right_at_most_micro)s, the release would be blocked."),
                _("Noise that loses twice what is stated would be caught in at least %(paths_power_micro)s of cases."),
            ],
        ),
        "membership": (
            _("Can anybody see whether a person is in it?"),
            [
                _("%(canaries)s simulated people were counted by the same program as everyone."),
                _("One of them changed at most %(canary_cells)s counts of people."),
                _("Events of one person can change at most %(reach)s figures."),
                _("Simulated people counted without their consent: %(without_consent)s."),
                _(
                    "The noise of %(people_draws)s counts of people shows at least %(people_shown_micro)s of the stated loss; "
                    "more than 100%% would block the release."
                ),
                _("Twice the stated loss would be caught there in at least %(people_power_micro)s of cases."),
                _(
                    "The noise of %(events_draws)s counts of events shows at least %(events_shown_micro)s, by the same rule."
                ),
                _("Twice the stated loss would be caught there in at least %(events_power_micro)s of cases."),
                _(
                    "Where one person more or less decides whether a figure is published, the outcome was the one of "
                    "exact counts in %(edge_cells_as_counted)s of %(edge_cells)s cases: a coin would say so in half."
                ),
            ],
        ),
    }
