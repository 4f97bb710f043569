"""Weeks of datasets on sale beside each other, and the audit of their menu."""

from __future__ import annotations

import datetime as dt
import uuid
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from marketplace.catalogue.offers import menu, rules
from marketplace.datasets.pictures.published_cells import PublishedCells
from tests.catalogue.builders import OFFER_TERMS, PRICED_AT, RELEASE_FIGURES, figures_of_days

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

A_CITY = [f"zone {number}" for number in range(10)]
WEST, EAST = A_CITY[:5], A_CITY[5:]


class Sold(NamedTuple):
    """A week of a dataset on sale: its zones, the cells published of zones × days, what it is worth, other terms."""

    dataset: str
    zones: Sequence[str]
    cells: Any
    worth: int
    terms: Mapping[str, Any] = MappingProxyType({})
    declared: int = 10
    """Of a zone and day."""
    people: int = 100_000
    """Of a zone."""
    noise: int = 0
    """Its variance; of a coarser edition, with the same cells, four times as much, where there is noise."""
    later: dt.timedelta = dt.timedelta()
    """Than the others its week begins."""

    @classmethod
    def by_hour(cls, dataset: str, zones: Sequence[str], cells: Any, worth: int, people: int = 100_000) -> Sold:
        """Return a week of which the cells published of zones × 168 hours × bands are given: 1 or 0."""
        return cls(dataset, zones, np.asarray(cells), worth, declared=24 * np.shape(cells)[2], people=people)


def audited(
    *sold: Sold, between: bool = False, lengths: Sequence[rules.Length] = (), after: Callable[..., None] | None = None
) -> None:
    """Audit, now and later, the menu of these weeks; refuse as a listing does. after: what is done with it instead."""
    offers, releases, levels, published, zones, known = {}, [], {}, {}, {}, {}
    for number, one in enumerate(sold):
        cells = np.asarray(one.cells)
        if cells.ndim == len(("zones", "hours", "bands")):
            known[uuid.UUID(int=number + 1), 0] = PublishedCells(None, cells.astype(np.uint8))
            cells = cells.reshape(len(one.zones), 7, -1).sum(axis=2)
        cells = np.broadcast_to(cells, (len(one.zones), 7))
        key = one.declared * (len(one.zones) if between else 1) * len(one.zones)
        figures = figures_of_days(*cells.sum(axis=0).tolist()) | {
            "id": uuid.UUID(int=number + 1),
            "dataset": one.dataset,
            "key_count": 7 * key,
            "consenting": one.people * 9 // 10 * len(one.zones),
            "population": one.people * len(one.zones),
            "noise_variance_micro": 1_000_000 * one.noise,
        }
        figures |= {name: RELEASE_FIGURES[name] + one.later for name in ("period_from", "period_to", "latest_event_at")}
        releases.append(msgspec.convert(RELEASE_FIGURES | figures, rules.PricedRelease))
        terms = {"dataset": one.dataset, "full_worth_minor": one.worth, "floor_minor": 1}
        offers[one.dataset] = msgspec.convert(OFFER_TERMS | terms | dict(one.terms), rules.PricedOffer)
        published[releases[-1].id, 0], zones[one.dataset] = np.array(cells), one.zones
        if one.noise:
            days = {name: figures[name] for name in ("row_count", "hours_by_day", "published_by_day")}
            coarse = {"release": releases[-1].id, "level": 1, "noise_variance_micro": 4_000_000 * one.noise}
            levels[releases[-1].id] = [menu.MenuLevel(**days | coarse)]
            published[releases[-1].id, 1] = np.array(cells)
    compared = menu._Compared(
        offers, releases, levels, zones, 30 * menu.DAY_SECONDS, lengths, published, between, known
    )
    if after:
        after(compared.posted(PRICED_AT), compared)
    else:
        menu._refuse_undercut(compared.posted(PRICED_AT), compared, PRICED_AT, until=None)
