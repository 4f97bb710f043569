"""Finish noisy counts: correct totals for truncation, add up thin cells, compute the figures of quality.

All of it is post-processing of noisy counts, published figures and declared values, so it costs no epsilon.

Source: Benjamini and Yekutieli, "False discovery rate-adjusted multiple confidence intervals for selected parameters",
JASA 2005 (intervals for what was selected); Schouten, Cobben and Bethlehem, "Indicators for the representativeness of
survey response", Survey Methodology 2009 (the R-indicator, and correcting it for the variance of its parts).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.core.instants import instant_of
from marketplace.privacy import noise
from marketplace.privacy.key_set import coverage_areas, parent_zones
from marketplace.privacy.series import expansion_micro
from marketplace.privacy.specification import METHOD_VERSION
from marketplace.privacy.thresholds import PublishedCells, agree, disclosed_consenting, median_cell
from pricing.valuation import r_indicator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from marketplace.privacy.specification import Specification

OUTSIDE: Final = 0.05
"""Of the published counts, this share may lie outside its interval."""
SCHEMA_VERSION: Final = 1
"""Of the published file's columns: zone, starts_at, segment, people, events."""
RARELY: Final = 1e-5
"""How rarely the error of the totals exceeds the stated one."""
LARGEST_FACTOR: Final = 20
"""Truncation is corrected up to this factor; a larger one means that the bounds are wrong, not the counts."""


@dataclass(frozen=True, slots=True)
class RolledUp:
    """Withheld cells added up over their parent zone, two or more at a time."""

    keys: NDArray[np.int64]
    """Position in parents × times × segments, ascending."""
    people: NDArray[np.int64]
    """People in each of the parent's withheld cells, added up: a person in two of them counts twice."""
    events: NDArray[np.int64]
    children: NDArray[np.int64]
    """Keys of the withheld cells inside these sums, ascending."""

    @classmethod
    def none(cls) -> RolledUp:
        """Return an empty set of sums."""
        nothing = np.empty(0, np.int64)
        return cls(nothing, nothing, nothing, nothing)

    @property
    def published(self) -> PublishedCells:
        """Return the sums as published counts."""
        return PublishedCells(self.keys, self.people, self.events)

    def scaled(self, counts: PublishedCells) -> RolledUp:
        """Return the same sums with other counts."""
        return RolledUp(self.keys, counts.people, counts.events, self.children)


def roll_up(specification: Specification, people: NDArray[np.int64], events: NDArray[np.int64]) -> RolledUp:
    """Add up the withheld noisy counts of each parent zone, time and segment, and keep the sums that are large enough.

    people, events: noisy counts of the whole key set, zones × times × segments.

    A sum over k cells has the noise of k draws, so it must reach sqrt(k) times the threshold, rounded up. Each sum has
    at least two withheld cells, since a sum of one would publish it. Other published cells are in no sum, so
    subtracting published figures never leaves a single withheld cell.
    """
    s = specification
    names, parent = parent_zones(s.zones, s.parent_resolution, s.geography)
    shape = (len(s.zones), s.times * len(s.segments))
    thin = (people < s.threshold).reshape(shape)
    size = (len(names), shape[1])
    count, sums, event_sums = (np.zeros(size, np.int64) for _ in range(3))
    for zone, at in enumerate(parent):
        count[at] += thin[zone]
        sums[at] += np.where(thin[zone], people.reshape(shape)[zone], 0)
        event_sums[at] += np.where(thin[zone], events.reshape(shape)[zone], 0)
    least = np.ceil(s.threshold * np.sqrt(np.arange(len(s.zones) + 1)) - 1e-9).astype(np.int64)
    large = (count >= 2) & (sums >= least[count])  # noqa: PLR2004 (one alone is a withheld cell)
    keys = np.flatnonzero(large)
    found = sums.ravel()[keys]
    children = np.flatnonzero((thin & large[parent]).ravel())
    return RolledUp(keys, found, agree(found, event_sums.ravel()[keys]), children)


def undo_truncation(
    specification: Specification, published: PublishedCells, people: NDArray[np.int64], totals: NDArray[np.int64]
) -> tuple[PublishedCells, float, float]:
    """Scale each time's published counts to correct its total for bounding.

    people: noisy counts of the whole key set; totals: noisy totals of each time. A hash chooses the cells a subscriber
    counts in, so bounding removes the same expected share of every cell of a time. The published counts of a time are
    therefore multiplied by (noisy total) / (sum of its noisy cells), never less than one, and rounded so that they add
    up to the rounded whole (largest remainder, ties by position). Returns the counts, the largest factor, and the error
    bound of the factors, as a share.
    """
    s = specification
    bounded = people.reshape(s.place_count, s.times, len(s.segments)).sum(axis=(0, 2))
    below = np.maximum(bounded, 1)
    above = np.clip(totals, below, LARGEST_FACTOR * below)
    time = published.keys // len(s.segments) % s.times
    scaled, remainder = np.divmod(published.people * above[time], below[time])
    wanted = np.round(np.bincount(time, published.people * (above / below)[time], minlength=s.times)).astype(np.int64)
    missing = wanted - np.bincount(time, scaled, minlength=s.times).astype(np.int64)
    order = np.lexsort((-(remainder / below[time]), time))
    rank = np.arange(len(order)) - np.searchsorted(time[order], time[order])
    scaled[order] += rank < missing[time[order]]
    events = published.events * above[time] // below[time]
    z = NormalDist().inv_cdf(1 - RARELY / 2)
    total_noise = s.law("totals").half_width(RARELY)
    sum_noise = z * math.sqrt(s.law("people").variance * s.place_count * len(s.segments))
    used = np.unique(time)
    off = max((float(total_noise / above[t] + sum_noise / below[t]) for t in used), default=0.0)
    factor = max((float(above[t] / below[t]) for t in used), default=1.0)
    return PublishedCells(published.keys, scaled, agree(scaled, events)), factor, min(off, 1.0)


def coverage(
    specification: Specification,
    population: NDArray[np.int64],
    consenting: NDArray[np.int64],
    noisy: Callable[[str, NDArray[np.int64]], NDArray[np.int64]],
) -> tuple[dict[str, Any], list[tuple[str, str, int, int]]]:
    """Return the figures of consent, and a row (kind, name, population, consenting) for each band and area.

    population, consenting: zones × age bands; noisy: draws a part's noise, called once for each. One subscriber is in
    one band and one area, so each of the three parts is paid for a change of one.
    """
    s = specification
    shape = (len(s.zones), len(s.age_bands))
    there, willing = population.reshape(shape), consenting.reshape(shape)
    everyone = int(there.sum())
    whole = int(noisy("consenting", np.array([willing.sum()], np.int64))[0])
    names, area = coverage_areas(s.zones, s.geography)
    by_area = np.zeros((2, len(names)), np.int64)
    np.add.at(by_area[0], area, there.sum(axis=1))
    np.add.at(by_area[1], area, willing.sum(axis=1))
    bands = noisy("bands", willing.sum(axis=0))
    areas = noisy("areas", by_area[1])
    parts = (("band", s.age_bands, there.sum(axis=0), bands), ("area", names, by_area[0], areas))
    rows = [
        (kind, name, int(people), int(min(max(seen, 0), people)))
        for kind, labels, peopled, drawn in parts
        for name, people, seen in zip(labels, peopled, drawn, strict=True)
    ]
    disclosed = disclosed_consenting(whole, everyone)
    figures = {
        "consenting": disclosed,
        "population": everyone,
        "expansion_micro": expansion_micro(everyone, disclosed),
        "r_indicator_micro": r_indicator_micro(there.sum(axis=0), bands, s.law("bands").variance),
    }
    return figures, rows


def r_indicator_micro(population: NDArray[np.int64], consenting: NDArray[np.int64], variance: float) -> int | None:
    """Return R = 1 - 2 S over strata in millionths, S² corrected for noise of this variance; None without population.

    population, consenting: people and noisy counts of n strata. The weighted variance of shares exceeds the true one by
    the noise's part, in expectation; a result below zero means that no difference can be shown.
    """
    some = population > 0
    if not some.any():
        return None
    weights = population[some] / population.sum()
    shares = consenting[some] / population[some]
    added = float((weights * (1 - weights)) @ (variance / population[some].astype(float) ** 2))
    return round(r_indicator(shares.tolist(), population[some].tolist(), added) * noise.MICRO)


def figures(
    specification: Specification, published: PublishedCells, rolled: RolledUp, consenting: int, population: int
) -> dict[str, Any]:
    """Return the published figures of a release's cells, all computed from published counts and declared values."""
    s = specification
    n, whole = median_cell(published.people, consenting, population)
    keys = np.concatenate([published.keys, rolled.keys])
    latest = None
    if len(keys):
        latest = instant_of(int(s.clock.bounds_us[int((keys // len(s.segments) % s.times).max()) + 1]))
    law = s.law("people")
    withheld = s.key_count - len(published.keys) - len(rolled.children)
    return {
        "threshold": s.threshold,
        "noise_variance_micro": round(law.variance * noise.MICRO),
        "mean_error_micro": round(law.mean_error * noise.MICRO),
        "key_count": s.key_count,
        "row_count": len(keys),
        "suppressed_micro": withheld * noise.MICRO // s.key_count,
        "median_cell_people": n,
        "median_cell_population": whole,
        "latest_event_at": latest,
        "schema_version": SCHEMA_VERSION,
        "method_version": METHOD_VERSION,
    }


def outside(specification: Specification, published: int, rolled: int) -> float:
    """Return the share of all noises that may be outside their interval for OUTSIDE of the published ones to be."""
    s = specification
    share = OUTSIDE * max(published, 1) / s.key_count
    if not rolled:
        return share
    parents = len(parent_zones(s.zones, s.parent_resolution, s.geography)[0])
    return min(share, OUTSIDE * rolled / (parents * s.times * len(s.segments)))


def errors(specification: Specification, published: int, factor: float = 1.0, rolled: int = 0) -> dict[str, int]:
    """Return error bounds of the published counts; at most OUTSIDE of all counts are further off.

    Only large counts are published, so raised counts appear more often than lowered ones. The intervals are therefore
    as wide as if OUTSIDE were shared among all keys, of which so many were published. Events are raised to people where
    noise put them below, so their interval covers both noises, each at half the share. factor: the factor by which
    counts were corrected for truncation. rolled: how many sums over a parent were published, selected in the same way.
    A sum of k noises, scaled by sqrt(k), exceeds such an interval less often than one noise, so at most OUTSIDE of the
    sums are off by more than sqrt(k) times as much.
    """
    s = specification
    share = outside(s, published, rolled)
    people = s.law("people").half_width(share)
    events = max(s.law("events").half_width(share / 2), s.law("people").half_width(share / 2))
    return {"error_people": math.ceil(factor * people), "error_events": math.ceil(factor * events)}
