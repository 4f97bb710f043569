"""Facets for people: each value in words, how many datasets it would leave, and the address that chooses it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from marketplace.catalogue.search.rules import COVERAGE_BANDS, MOST_COUNTED, PATH, PRICE_BANDS
from marketplace.core.web.formats import money, month_and_year, number, percent_basis_points
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import in_words, localised, url
from marketplace.datasets.geography.queries import find_titles
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from marketplace.catalogue.search.queries import Found
    from marketplace.catalogue.search.rules import State

MOST_SHOWN: Final = 12
"""Shown values of a facet, besides the chosen ones."""
H3: Final = "h3-"


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a facet: its words, its number of datasets, its address, and whether it is chosen."""

    label: str
    count: int
    address: str
    is_chosen: bool

    @property
    def counted(self) -> str:
        """Return the number in words; very large ones are not counted exactly."""
        return number(self.count) if self.count <= MOST_COUNTED else f"{number(MOST_COUNTED)}+"


@dataclass(frozen=True, slots=True)
class Facet:
    """A facet's heading and its values."""

    title: str
    choices: Sequence[Choice]

    @property
    def is_open(self) -> bool:
        """Return whether one of its values is chosen."""
        return any(choice.is_chosen for choice in self.choices)


def address(state: State) -> str:
    """Return a state's address."""
    query = state.query()
    return url(PATH) + (f"?{query}" if query else "")


async def name_tables(codes: Iterable[str]) -> dict[str, str]:
    """Return the names of zone tables in the page's language; an unnamed one is shown by its code."""
    titles = await find_titles(sorted(codes))
    own = gettext("The operator’s zones: %(name)s")
    return {code: localised(row, "title") or own % {"name": code.replace("-", " ")} for code, row in titles.items()}


async def name_shown(states: Iterable[State], found: Found | None = None) -> dict[str, str]:
    """Return the names of the chosen and found zone tables in the page's language."""
    codes = {code for state in states for code in state.chosen.get("zones", ())}
    codes |= {code for code, _ in found.counts["zones"]} if found else set()
    return await name_tables(code for code in codes if not code.startswith(H3))


def facets(state: State, found: Found, tables: Mapping[str, str]) -> list[Facet]:
    """Return the facets that can narrow the results, and all chosen ones; a facet with one value is left out.

    tables: names of zone tables.
    """
    shown = []
    for name, title in _titles().items():
        chosen = state.chosen.get(name, ())
        counts = found.counts[name]
        if len(counts) > 1 or chosen:
            values = [one for at, one in enumerate(counts) if at < MOST_SHOWN or one[0] in chosen]
            choices = [
                Choice(label(name, value, tables), count, address(state.toggled(name, value)), value in chosen)
                for value, count in values
            ]
            shown.append(Facet(title, choices))
    return shown


def chosen(state: State, tables: Mapping[str, str]) -> list[Choice]:
    """Return a state's chosen values, each with the address of the state without it."""
    return [
        Choice(label(name, value, tables), 0, address(state.toggled(name, value)), is_chosen=True)
        for name in _titles()
        for value in state.chosen.get(name, ())
    ]


def sorts(state: State) -> list[Choice]:
    """Return the ways of sorting, each with its address."""
    _ = gettext
    ways = {
        "fresh": _("Latest first"),
        "cheap": _("Lowest price first"),
        "dear": _("Highest price first"),
        "coverage": _("Best covered first"),
    }
    other = type(state)
    return [
        Choice(words, 0, address(other(state.search, state.chosen, state.below, way)), way == state.sort)
        for way, words in ways.items()
    ]


def summary(state: State, tables: Mapping[str, str]) -> str:
    """Return a state in a few words, in the page's language."""
    _ = gettext
    parts = [_("“%(words)s”") % {"words": state.search}] if state.search else []
    parts += [choice.label for choice in chosen(state, tables)]
    parts += [_("up to %(price)s") % {"price": money(state.below)}] if state.below is not None else []
    return ", ".join(parts) or _("everything for sale")


def label(facet: str, value: str, tables: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return a facet's value in words; an unknown one unchanged. tables: names of zone tables."""
    _ = gettext
    if facet == "zones":
        its = _("H3, resolution %(number)s") % {"number": value.removeprefix(H3)}
        return its if value.startswith(H3) else tables.get(value, value)
    if facet in ("grain", "cadence"):
        known = {
            "grain": {"hour": _("By hour"), "day": _("By day"), "week": _("By week")},
            "cadence": {"day": _("Every day"), "week": _("Every week"), "month": _("Every month")},
        }
        return known[facet].get(value, _("From time to time"))
    wording = {
        "indicator": lambda: indicator(value) if value in PRODUCTS else value,
        "price": lambda: _band(value, PRICE_BANDS, money) or _("Not priced today"),
        "coverage": lambda: _band(value, COVERAGE_BANDS, percent_basis_points) or value,
        "latest": lambda: _month(value),
    }
    return wording.get(facet, lambda: value)()


def indicator(code: str) -> str:
    """Return a product's name in a word or two."""
    words = in_words(PRODUCTS[code].title).split(":")[0].strip()
    return words[:1].upper() + words[1:]


def _band(value: str, bounds: Sequence[int], write: Callable[[int], str]) -> str:
    _ = gettext
    if not (value.isascii() and value.isdigit()) or int(value) > len(bounds):
        return ""
    at = int(value)
    if at == 0:
        return _("under %(bound)s") % {"bound": write(bounds[0])}
    if at == len(bounds):
        return _("%(bound)s and more") % {"bound": write(bounds[-1])}
    return _("%(lower)s to %(upper)s") % {"lower": write(bounds[at - 1]), "upper": write(bounds[at])}


def _month(value: str) -> str:
    try:
        return month_and_year(dt.date.fromisoformat(f"{value}-01"))
    except ValueError:
        return value


def _titles() -> dict[str, str]:
    _ = gettext
    return {
        "area": _("Area"),
        "indicator": _("What is counted"),
        "zones": _("Zones"),
        "grain": _("Grain"),
        "cadence": _("New releases"),
        "price": _("Price, before VAT"),
        "coverage": _("Lines that consent"),
        "latest": _("Latest figures"),
    }
