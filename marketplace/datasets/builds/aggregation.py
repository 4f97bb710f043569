"""The private build's computation, in a scratch folder that is always deleted.

**Every build draws its own key** from the operating system when it begins. The key chooses the cells of a subscriber
who is in too many, and seeds the noise of large key sets. It is never stored and follows from no setting, so nobody who
learns a secret of the site can compute the noise. An interrupted build draws another key: nobody saw what the first
drew.

`Aggregation` keeps the key between the steps that an action runs in order: check the inputs, count (once the budget is
committed), then add noise, withhold and write. Everything here is synchronous and runs in a thread; nothing reads the
clock or the database of the marketplace. All engines (kernel, DuckDB, Spark) give the same result.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from obstore.store import LocalStore

from marketplace.consent.switches.switch_arrays import Places
from marketplace.core import object_store
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.instants import microseconds
from marketplace.core.line_index import LineIndex
from marketplace.core.progress import no_progress
from marketplace.core.settings import settings
from marketplace.datasets.builds import input_files, reference_sql
from marketplace.datasets.builds.cells_file import metadata_of, write_cells
from marketplace.datasets.builds.counting_query import Aggregate, CountingQuery
from marketplace.datasets.builds.digests import sha256_of
from marketplace.datasets.builds.event_store import Store
from marketplace.datasets.builds.ingest import ingest
from marketplace.datasets.builds.kernel import Kernel
from marketplace.datasets.builds.manifest_file import write_manifest
from marketplace.datasets.builds.memory_dumps import keep_out_of_dumps
from marketplace.privacy import drawing
from marketplace.privacy.cell_choice import hash_keys
from marketplace.privacy.dictionary import columns_of
from marketplace.privacy.geography import H3
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

    from marketplace.consent.switches.switch_arrays import Bound, SwitchArrays
    from marketplace.core.progress import ReportProgress
    from marketplace.datasets.builds.retracted_events import RetractedEvents
    from marketplace.privacy.geography import Geography
    from marketplace.privacy.specification import Specification

    Consent = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

KEY_BYTES = 32
"""Length of a build's own key, and of the key with which its coarser editions are drawn."""
ENGINES = ("kernel", "duckdb", "spark")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a build: files in the scratch folder, and the release's columns."""

    files: dict[str, Path]
    """Name of the private object → file."""
    figures: dict[str, Any]
    """Columns of `release`; public ones obey the rule of `rules`."""
    refusal: str | None
    """Why there is nothing to sell."""
    coverage: list[tuple[str, str, int, int]] = field(default_factory=list)
    """Kind (area or band), name, population, consenting."""


class Aggregation:
    """One build's scratch folder; `with Aggregation(specification, folder) as aggregation`."""

    def __init__(self, specification: Specification, folder: Path, engine: str | None = None) -> None:
        """Choose an empty scratch folder; files that an interrupted build left there are deleted."""
        self.specification, self.folder = specification, folder
        keep_out_of_dumps()
        self.key = os.urandom(KEY_BYTES)
        """This build's own. It is in no file, argument, environment variable or dump of memory, and ends with the
        build."""
        self.engine = engine or settings().engine
        self.sectors: Sequence[str] = ()
        """Sectors of those who may have the release; none: anybody's."""
        self.switched: SwitchArrays | None = None
        """The events that people's switches leave out, by place and time; None: no events."""
        self.geographies: Sequence[Geography] = (H3,)
        """Geographies in which the places that people name are looked up."""
        self.database: duckdb.DuckDBPyConnection
        self.shared: Store
        """The operator's store, in one state from the check to the end."""
        self.store: Store
        """The store with the events: the operator's, or one of the build's own."""
        self.answer: Aggregate
        self.line: NDArray[np.int32]
        """For each subscriber, the line in the store; -1 if it has no event."""
        self.has_consent: NDArray[np.bool_]
        """For each subscriber, whether consent is in force at the start."""

    def __enter__(self) -> Self:
        """Open the database with limits of memory, spill and threads, and without network access."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        self.database = input_files.scratch_database(self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close and delete; an engine's error is raised as a sentence."""
        import duckdb  # noqa: PLC0415 (a sixth of a second that only builds need)

        self.database.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if isinstance(error, duckdb.OutOfMemoryException):
            raise Conflict(
                "The build needs more than BUILD_MEMORY_MB={memory} and its spill on disk; run it again with more.",
                memory=settings().memory_mb,
            ) from None
        if isinstance(error, duckdb.IOException):
            raise Conflict("The inputs changed or vanished while they were read; run the build again.") from error
        if isinstance(error, OSError) and error.errno in input_files.DISK_FULL:
            raise Conflict("The disk is full: make room, then run it again.") from None

    def check(self, events: str | None, subscribers: str | None, retracted: RetractedEvents | None = None) -> None:
        """Gather both inputs and check the form of every row; refusals name the file and the row.

        `events` are ingested into a store of the build's own. None means the operator's store, whose rows were checked
        at ingestion, and for `subscribers` the table in it. `retracted` events of lines are left out of files.
        """
        s = self.specification
        shared = self.shared = Store(object_store.store())
        if subscribers is None:
            if shared.state.subscribers is None:
                raise Invalid("The event store has no table of subscribers: ingest one, or name a file.")
            table = self.folder / "subscribers.parquet"
            table.write_bytes(shared.read(shared.state.subscribers))
            files = [table]
        else:
            files = input_files.gather(subscribers, self.folder, "subscribers")
        self.subscribers, self.band, self.home = input_files.read_subscribers(
            self.database, files, s, are_checked=subscribers is None
        )
        if events is None:
            if shared.is_empty:
                raise Invalid(
                    "The event store is empty: run `python3 marketplace ingest` first, or name files of events."
                )
            self.store = shared
        else:
            (self.folder / "store").mkdir()
            own = LocalStore(self.folder / "store")
            named = input_files.gather_named(events, self.folder, "events")
            ingest(Store(own), list(named), self.folder / "ingest", names=named, retracted=retracted)
            self.store = Store(own)
        self.tables = sorted(map(sha256_of, files))

    def population(self) -> int:
        """Return how many of the operator's subscribers live in the area."""
        return int(np.count_nonzero(self.home >= 0))

    def count(self, consent: Consent, started_at: dt.datetime) -> None:
        """Run the definition: the cells each consenting person counts in, bounded, and the true cells.

        `consent`: the consents in force at the start.
        """
        self.ask(consent, hash_keys(self.key, self.specification.digest), started_at, no_progress)

    def ask(self, consent: Consent, keys: Sequence[int], started_at: dt.datetime, report: ReportProgress) -> Aggregate:
        """Count with consents in columns (reference, from, until); return the result, which `release` also uses.

        `keys`: the keys of the hash that chooses cells.
        """
        question = self._question(consent, keys, started_at)
        match self.engine:
            case "kernel" if PRODUCTS[question.product].kernel is not None:
                self.answer = Kernel(question, self.folder).run(report)
            case "duckdb" | "kernel":
                self.answer = reference_sql.on_duckdb(question, self.database, self.folder, report)
            case "spark":
                self.answer = reference_sql.on_spark(question, self.folder, report)
            case _:
                raise Invalid(
                    "BUILD_ENGINE is {engine}: it can be {engines}.", engine=self.engine, engines=", ".join(ENGINES)
                )
        self.has_consent = self._who_consents(question)
        return self.answer

    def _who_consents(self, q: CountingQuery) -> NDArray[np.bool_]:
        """Return for each subscriber whether a consent is in force at the start, looking up those without events."""
        reference, begins, ends = q.consent
        in_force = (begins <= q.started_us) & (q.started_us < ends)
        consents = np.zeros(len(q.references) + 1, np.bool_)  # by line of the store; the last is for -1
        consents[q.consent_line[in_force & (q.consent_line >= 0)]] = True
        found = consents[self.line]
        unseen = np.flatnonzero(self.line < 0)
        theirs = LineIndex(self.subscribers[unseen]).find(reference[in_force & (q.consent_line < 0)])
        found[unseen[theirs[theirs >= 0]]] = True
        return found

    def _question(self, consent: Consent, keys: Sequence[int], started_at: dt.datetime) -> CountingQuery:
        s = self.specification
        references = self.store.people()
        numbers = LineIndex(references)
        number = self.line = numbers.find(self.subscribers)
        known = number >= 0
        segment, home = np.full(len(references), -1, np.int16), np.full(len(references), -1, np.int32)
        segment[number[known]], home[number[known]] = self.band[known], self.home[known]
        return CountingQuery(
            product=s.product,
            period_from_us=microseconds(s.period_from),
            period_to_us=microseconds(s.period_to),
            started_us=microseconds(started_at),
            step_us=s.step // dt.timedelta(microseconds=1),
            unit_us=s.unit_us,
            time_zone=s.time_zone,
            max_cells=s.max_cells,
            max_events=s.max_events,
            max_zones=s.max_zones,
            hash_keys=tuple(keys),
            zones=len(s.zones),
            segments=len(s.segments),
            store=self.store,
            references=references,
            segment=segment,
            home=home,
            zone=self._zone_of_places(),
            consent=consent,
            consent_line=numbers.find(consent[0]),
            switched=self._bound(numbers),
        )

    def _bound(self, numbers: LineIndex) -> Bound | None:
        if self.switched is None:
            return None
        sites, latitudes, longitudes = self.store.places()
        zone_of_site = self.shared.zones_of_sites()
        named = [site if site is None else zone_of_site.get(site, site) for site in sites]
        places = Places(named, latitudes, longitudes, self.geographies)
        return self.switched.bound(numbers.find(self.switched.line), places)

    def release(self, report: ReportProgress) -> Outcome:
        """Draw the noise, withhold, make counts agree, weigh the people in published cells, and write the files."""
        import pyarrow as pa  # noqa: PLC0415

        drawn = drawing.draw(self.specification, self.counts(), self.key, report)
        report("weighing contributions", 0.86)
        manifest = pa.table(dict(zip(("reference", "weight"), self.answer.weights(drawn.counted), strict=True)))
        noisy = pa.table({"key": drawn.published.keys, "people": drawn.published.people})
        files = {
            "noisy.parquet": self._parquet("noisy.parquet", noisy),
            "cells.parquet": write_cells(
                drawing.table(self.specification, drawn),
                self.folder / "cells.parquet",
                columns=columns_of(self.specification),
                about=metadata_of(self.specification, drawn.figures, self.sectors),
            ),
            "manifest.parquet": write_manifest(manifest, self.folder / "manifest.parquet"),
            object_store.EDITIONS_KEY: self._editions_key(),
        }
        figures = drawn.figures | {
            "contributors": len(manifest),
            "total_weight": int(np.sum(manifest["weight"].to_numpy())),
            "cells_sha256": sha256_of(files["cells.parquet"]),
            "manifest_sha256": sha256_of(files["manifest.parquet"]),
            "inputs": json.dumps(self._inputs(), sort_keys=True),
        }
        refusal = None
        if not drawn.figures["row_count"]:  # do not show who is in them: only that no figure is published
            refusal = "No figure reaches the least that is published, so there is nothing to sell."
        return Outcome(files, figures, refusal, drawn.coverage)

    def _inputs(self) -> dict[str, Any]:
        """Return the inputs that the release was counted from: versions and files of the days, and both tables."""
        sites = self.shared.state.sites
        return {
            "days": self.store.versions(self.answer.question.days),
            "subscribers": self.tables,
            "sites": hashlib.sha256(self.shared.read(sites)).hexdigest() if sites else None,
        }

    def counts(self) -> drawing.Counts:
        """Return the true cells by position in the key set, and who consents by home and band; private."""
        s = self.specification
        at_home = self.home >= 0
        place = self.home.astype(np.int64) * len(s.age_bands) + self.band
        size = len(s.zones) * len(s.age_bands)
        population = np.bincount(place[at_home], minlength=size)
        consenting = np.bincount(place[at_home & self.has_consent], minlength=size)
        return drawing.Counts(*self.answer.cells(), consenting, population, self.answer.totals)

    def _parquet(self, name: str, table: pa.Table) -> Path:
        import pyarrow.parquet as pq  # noqa: PLC0415

        path = self.folder / name
        pq.write_table(table, path, compression="zstd", row_group_size=1_048_576)
        return path

    def _editions_key(self) -> Path:
        """Return a file with a key for editions: a repeated sealing draws the same editions again."""
        path = self.folder / object_store.EDITIONS_KEY
        path.write_bytes(os.urandom(KEY_BYTES))
        return path

    def _zone_of_places(self) -> NDArray[np.int32]:
        """Return the position of each place's zone in the key set, -1 outside it; the table states a site's zone."""
        s = self.specification
        sites, latitudes, longitudes = self.store.places()
        position = {zone: at for at, zone in enumerate(s.zones)}
        spots = np.array([n for n, site in enumerate(sites) if site is None], np.int64)
        zone_of_site = self.shared.zones_of_sites() if len(spots) < len(sites) else {}
        named = {n: zone_of_site.get(site, site) for n, site in enumerate(sites) if site is not None}
        found = np.full(len(sites), -1, np.int32)
        located = s.geography.locate(latitudes[spots], longitudes[spots], s.resolution)
        found[spots] = [position.get(zone, -1) for zone in located]
        found[list(named)] = [position.get(name, -1) for name in named.values()]
        finer = {n: name for n, name in named.items() if found[n] < 0}
        for n, zone in zip(finer, s.geography.find(list(finer.values()), s.resolution), strict=True):
            level = s.geography.level(finer[n])
            if zone is not None and (level is None or level >= s.resolution):  # a coarser zone does not determine one
                found[n] = position.get(zone, -1)
        return found
