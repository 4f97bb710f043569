"""From true counts to published ones: draw the noise, withhold, add up thin cells, make counts agree.

Everything after the draw is post-processing: it looks at noisy counts and at what is declared, never at a true count.

**Two ways to draw, one distribution.** Every key of the public key set gets its own noise, whether anyone was there or
not. On a small key set OpenDP draws them all; on a large one the table sampler does. If only noisy counts that reach
the threshold t are used, empty keys need not be drawn one by one. How many of m empty keys reach t is binomial with
P(noise >= t), the keys are chosen uniformly, and the value of each is the noise given that it is t or more. What is
published then has the same joint distribution as if all m were drawn, and every draw is exact.

Source: Cormode, Procopiuc, Srivastava and Tran, "Differentially private summaries for sparse data", ICDT 2012, section 4
(drawing only the noise that passes a filter).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from marketplace.privacy import finishing, noise, sampler
from marketplace.privacy.key_set import parent_zones
from marketplace.privacy.thresholds import PublishedCells, agree, withhold

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from marketplace.privacy.specification import Specification


Report: TypeAlias = "Callable[[str, float], None]"
"""Called with the name of each step and the share done, from 0 to 1."""
SAMPLER_FROM: Final = 1_000_000
"""From so many keys on, the table sampler draws; OpenDP would take ten seconds or more."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The true, bounded aggregate. Never leaves the build."""

    keys: NDArray[np.int64]
    """Positions in zones × times × segments where somebody was, ascending, each once."""
    people: NDArray[np.int64]
    events: NDArray[np.int64]
    consenting: NDArray[np.int64]
    """Zones × age bands: the subscribers at home there whose consent is in force."""
    population: NDArray[np.int64]
    """Zones × age bands: the operator's subscribers, a constant of its registry."""
    totals: NDArray[np.int64] | None = None
    """For each time, everyone's zones before bounding, at most max_zones each; None if the dataset has no totals."""

    def digest(self) -> bytes:
        """Return the SHA-256 of all of it, the same for integers of any width."""
        seen = hashlib.sha256()
        for part in (self.keys, self.people, self.events, self.consenting, self.population, self.totals):
            if part is not None:
                seen.update(len(part).to_bytes(8, "little"))
                seen.update(np.ascontiguousarray(part, np.int64).data)
        return seen.digest()


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a build may store and publish."""

    published: PublishedCells
    rolled: finishing.RolledUp
    counted: NDArray[np.int64]
    """Keys whose people are inside a published count; the manifest weighs these."""
    figures: dict[str, Any]
    """Columns of `release`."""
    coverage: list[tuple[str, str, int, int]] = field(default_factory=list)
    """Kind, name, population, consenting."""


def draw(
    specification: Specification,
    counts: Counts,
    key: bytes,
    report: Report | None = None,
    *,
    source: Callable[[Specification, bytes], Source] | None = None,
) -> Drawn:
    """Draw a release's noise once and return the results that may be published.

    key: the build's own, random; the draws of the table sampler are a function of it, the specification and every
    count. source: draws the noise; an audit passes one that draws as another release's does.
    """
    return _drawn(
        specification, counts, (source or Source)(specification, noise_key(key, specification, counts)), report
    )


def _drawn(specification: Specification, counts: Counts, source: Source, report: Report | None) -> Drawn:
    s = specification
    report = report or (lambda _step, _share: None)
    if counts.totals is not None or s.is_dense:
        people = source.everywhere("people", counts.keys, counts.people, s.key_count, report)
        keys = withhold(people, s.threshold)
        published_people = people[keys]
    else:
        people = None
        keys, published_people = source.reaching("people", counts, s.threshold, report)
    if s.parent_resolution:
        assert people is not None
        all_events = source.everywhere("events", counts.keys, counts.events, s.key_count, report)
        events = all_events[keys]
        rolled = finishing.roll_up(s, people, all_events)
    else:
        # Noise on the events of withheld cells would never be seen, so it is not drawn.
        events = source.noisy("events", _at(keys, counts.keys, counts.events))
        rolled = finishing.RolledUp.none()
    published = PublishedCells(keys, published_people, agree(published_people, events))
    as_drawn = int(published.people.sum() + rolled.people.sum())
    total_error = 0.0
    factor = 1.0
    if counts.totals is not None:
        assert people is not None
        totals = source.noisy("totals", np.asarray(counts.totals, np.int64))
        published, factor, total_error = finishing.undo_truncation(s, published, people, totals)
        rolled = rolled.scaled(finishing.undo_truncation(s, rolled.published, people, totals)[0])
    report("measuring coverage", 0.85)
    figures, coverage = finishing.coverage(
        s, np.asarray(counts.population, np.int64), np.asarray(counts.consenting, np.int64), source.noisy
    )
    figures |= finishing.figures(s, published, rolled, figures["consenting"], figures["population"])
    figures |= finishing.errors(s, len(keys), factor, len(rolled.keys))
    figures |= {"total_error_micro": round(total_error * noise.MICRO), "sampler": source.engine}
    figures["published_people"] = as_drawn
    return Drawn(
        published, rolled, np.union1d(keys, rolled.children) if len(rolled.children) else keys, figures, coverage
    )


def noise_key(key: bytes, specification: Specification, counts: Counts) -> bytes:
    """Return the key of a release's draws; it changes with the specification and with any count.

    Each build has its own key. Hashing the counts into it ensures that a key used twice by mistake still shares no
    noise.
    """
    return hmac.new(key, b"noise " + specification.digest.encode() + counts.digest(), hashlib.sha256).digest()


class Source:
    """The draws of one release: each part's noise is drawn once, from one engine."""

    def __init__(self, specification: Specification, key: bytes) -> None:
        """Choose the engine by the size of the key set."""
        self.specification, self.key = specification, key
        self.engine = "table" if specification.key_count > SAMPLER_FROM else "opendp"

    def noisy(self, what: str, counts: NDArray[np.int64], report: Report | None = None) -> NDArray[np.int64]:
        """Return the counts of a part with noise, independent for each count."""
        s = self.specification
        if self.engine == "table":
            law = s.law(what)
            return counts + sampler.table(law.kind, law.scale).draw(self.key, what, len(counts))
        total, squares = s.sensitivities(what)
        if s.mechanism == "laplace":
            parts = noise.laplace(counts, sensitivity=total, epsilon_micro=s.epsilon_of(what))
        else:
            parts = noise.gaussian(counts, sensitivity_squared=squares, rho_nano=s.rho_nano * s.percent_of(what) // 100)
        drawn, done = np.empty(len(counts), np.int64), 0
        for part in parts:
            drawn[done : done + len(part)] = part
            done += len(part)
            if report:
                report("drawing noise", 0.55 + 0.3 * done / len(counts))
        return drawn

    def everywhere(
        self, what: str, keys: NDArray[np.int64], counts: NDArray[np.int64], size: int, report: Report
    ) -> NDArray[np.int64]:
        """Return the noisy counts of the whole key set of `size`, empty keys included.

        keys, counts: the n positions in the key set where somebody was, ascending, and the true counts there.
        """
        whole = np.zeros(size, np.int64)
        whole[keys] = counts
        return self.noisy(what, whole, report)

    def reaching(
        self, what: str, counts: Counts, threshold: int, report: Report
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the keys whose noisy count reaches the threshold, ascending, and those counts."""
        size = self.specification.key_count
        if self.engine == "opendp":
            whole = self.everywhere(what, counts.keys, counts.people, size, report)
            keys = withhold(whole, threshold)
            return keys, whole[keys]
        people = self.noisy(what, counts.people)
        there = np.flatnonzero(people >= threshold)
        empty_keys, empty_people = empty_reaching(self, what, counts.keys, size, threshold)
        keys = np.concatenate([np.asarray(counts.keys)[there], empty_keys])
        found = np.concatenate([people[there], empty_people])
        if len(empty_keys):
            order = np.argsort(keys, kind="stable")
            keys, found = keys[order], found[order]
        return keys, found


def empty_reaching(
    source: Source, what: str, occupied: NDArray[np.int64], size: int, threshold: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the empty keys that noise alone lifts to the threshold, and their values, exactly as if all were drawn.

    occupied: the n positions in the key set where somebody was, ascending; the key set has `size`.
    """
    law = source.specification.law(what)
    table = sampler.table(law.kind, law.scale)
    stream = sampler.Stream(source.key, f"{what} where nobody was")
    empty = size - len(occupied)
    count = sampler.binomial(stream, empty, sampler.ONE - table.below(threshold))
    ranks: set[int] = set()
    while len(ranks) < count:
        ranks.add(stream.below(empty))
    rank = np.array(sorted(ranks), np.int64)
    # The r-th empty key is r plus the occupied keys before it.
    before = np.searchsorted(np.asarray(occupied, np.int64) - np.arange(len(occupied)), rank, side="right")
    values = [table.draw_at_least(stream, threshold) for _ in range(count)]
    return rank + before, np.array(values, np.int64)


def _at(wanted: NDArray[np.int64], keys: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the values at the wanted keys, zero at keys that are absent; both lists of keys ascend."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(np.asarray(keys)[place] == wanted, np.asarray(values)[place], 0).astype(np.int64)


def table(specification: Specification, drawn: Drawn) -> pa.Table:
    """Return the cells that are sold, by zone, time and segment; sums over a parent zone bear the parent's name."""
    import pyarrow as pa  # noqa: PLC0415

    s = specification
    bands = len(s.segments)
    places = [s.named(drawn.published.keys // (bands * s.times))]
    if len(drawn.rolled.keys):
        parents = np.asarray(parent_zones(s.zones, s.parent_resolution, s.geography)[0], dtype=object)
        places.append(parents[drawn.rolled.keys // (bands * s.times)])
    keys = np.concatenate([drawn.published.keys, drawn.rolled.keys])
    starts_at_us = s.clock.bounds_us[keys // bands % s.times]
    return pa.table(
        {
            "zone": pa.array(np.concatenate(places), pa.string()),
            "starts_at": pa.array(starts_at_us, pa.timestamp("us", tz="UTC")),
            "segment": pa.array(np.asarray(s.segments, dtype=object)[keys % bands], pa.string()),
            "people": pa.array(np.concatenate([drawn.published.people, drawn.rolled.people]), pa.int64()),
            "events": pa.array(np.concatenate([drawn.published.events, drawn.rolled.events]), pa.int64()),
        }
    )
