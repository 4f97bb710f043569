"""Specifications of releases that no database holds, for tests of what is made of counts."""

import datetime as dt
from typing import Any

import h3
import numpy as np

from marketplace.privacy import drawing
from marketplace.privacy.specification import Specification

MONDAY = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
SECRET = b"a secret of tests"


def zones_side_by_side(count: int, resolution: int = 8) -> tuple[str, ...]:
    """Return so many H3 zones side by side, ascending."""
    ring = 0
    while len(h3.grid_disk(h3.latlng_to_cell(45.764, 4.8357, resolution), ring)) < count:
        ring += 1
    disk = h3.grid_disk(h3.latlng_to_cell(45.764, 4.8357, resolution), ring)
    return tuple(sorted(sorted(disk)[:count]))


def specification(count: int = 7, *, hours: int = 24, bands: int = 2, **other: Any) -> Specification:
    """Return the specification of `hours` over so many zones and bands, with `other` in place of the defaults."""
    stated: dict[str, Any] = {
        "dataset": "lyon",
        "purpose": "presence.statistics",
        "zones": zones_side_by_side(count),
        "age_bands": tuple(f"band {number}" for number in range(bands)),
        "resolution": 8,
        "grain": "hour",
        "period_from": MONDAY,
        "period_to": MONDAY + dt.timedelta(hours=hours),
        "max_cells": 6,
        "max_events": 3,
        "epsilon_micro": 2_000_000,
    }
    return Specification(**stated | other)


def gaussian(count: int = 7, **other: Any) -> Specification:
    """Return the same with Gaussian noise at delta 1e-6."""
    return specification(count, mechanism="gaussian", delta_exponent=6, **other)


def counts_of(s: Specification, people: np.ndarray, events: np.ndarray | None = None, **other: Any) -> drawing.Counts:
    """Return these counts of the whole key set as a build would hand them over; a third of everyone consents."""
    keys = np.flatnonzero(people)
    homes = len(s.zones) * len(s.age_bands)
    stated: dict[str, Any] = {"consenting": np.full(homes, 100), "population": np.full(homes, 300)}
    return drawing.Counts(keys, people[keys], (2 * people if events is None else events)[keys], **stated | other)
