"""The private build's computation: one DuckDB database in a scratch folder that is deleted, whatever happens.

`Aggregation` holds it open between the steps that an action takes in order: check the inputs, count (once the budget is
committed), then noise, withhold and write. Everything here is synchronous and runs in a thread; nothing reads the clock
or the database of the marketplace.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from marketplace.datasets import drawing, inputs, noise, rules
from marketplace.errors import Conflict
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    import asyncpg
    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

    Say = Callable[[str, float], None]

AGGREGATE = Path(__file__).with_name("aggregate.sql")
SPILL_FACTOR = 8
"""How many times its memory a build may spill to disk before it is stopped."""
MANIFEST_GROUP = 8_192
"""Rows of a manifest's row group: what finding one contribution reads."""
OPEN_ENDED_US = 2**62
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a build found, ready to be kept: files in the scratch folder, and the release's columns."""

    files: dict[str, Path]
    """Name of the private object → file."""
    figures: dict[str, Any]
    """Columns of `release`; public ones obey the rule of `rules`."""
    refusal: str | None
    """Why there is nothing to sell."""
    coverage: list[tuple[str, str, int, int]] = field(default_factory=list)
    """Kind (area or band), name, population, consenting."""


class Aggregation:
    """One build's scratch database; `with Aggregation(specification, folder) as aggregation`."""

    def __init__(self, specification: rules.Specification, folder: Path, definition: Path = AGGREGATE) -> None:
        """Choose an empty scratch folder; what an interrupted build left there is deleted."""
        self.specification, self.folder, self.definition = specification, folder, definition
        self.database: duckdb.DuckDBPyConnection

    def __enter__(self) -> Self:
        """Open the database with its limits of memory, spill and threads, and no way to the network."""
        import duckdb  # noqa: PLC0415 (a sixth of a second that only builds need)

        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        memory = settings().memory_mb
        self.database = duckdb.connect(
            str(self.folder / "build.duckdb"),
            config={
                "memory_limit": f"{memory}MB",
                "temp_directory": str(self.folder / "spill"),
                "max_temp_directory_size": f"{SPILL_FACTOR * memory}MB",
                "threads": str(os.cpu_count() or 1),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            },
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close and delete; an engine's error leaves as a sentence."""
        import duckdb  # noqa: PLC0415

        self.database.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if isinstance(error, duckdb.OutOfMemoryException):
            raise Conflict(
                "The build needs more than BUILD_MEMORY_MB={memory} and its spill on disk; run it again with more.",
                memory=settings().memory_mb,
            ) from None
        if isinstance(error, duckdb.IOException):
            raise Conflict("The inputs changed or vanished while they were read; run the build again.") from error

    def check(self, events: str, subscribers: str) -> None:
        """Gather both inputs and check the form of every row; refusals name the file and the row."""
        s = self.specification
        files = inputs.gather(subscribers, self.folder, "subscribers")
        inputs.open_subscribers(self.database, files, s.age_bands, frozenset(s.zones), s.resolution)
        inputs.open_events(self.database, inputs.gather(events, self.folder, "events"))

    def population(self) -> int:
        """Return how many of the operator's subscribers live in the area."""
        return self._one("SELECT count(*) FROM subscriber WHERE in_area")

    def count(self, consent: Sequence[asyncpg.Record], keys: Sequence[int], started_at: dt.datetime) -> None:
        """Run the one definition: what each consenting person counts in, bounded, and the true cells.

        `consent` are rows of `intervals_around` the start; `keys` are those of the hash that chooses cells.
        """
        import pyarrow as pa  # noqa: PLC0415

        s = self.specification
        inputs.load(
            self.database,
            "consent",
            subscriber_id=pa.array([row["subscriber"] for row in consent], pa.int64()),
            valid_from_us=pa.array([row["valid_from_us"] for row in consent], pa.int64()),
            valid_to_us=pa.array(
                [OPEN_ENDED_US if row["valid_to_us"] is None else row["valid_to_us"] for row in consent], pa.int64()
            ),
        )
        inputs.load(self.database, "key_zone", zone=pa.array(self._zones(), pa.int64()))
        stated = {
            "period_from_us": microseconds(s.period_from), "period_to_us": microseconds(s.period_to),
            "started_us": microseconds(started_at), "step_us": s.step // dt.timedelta(microseconds=1),
            "max_cells": s.max_cells, "max_events": s.max_events,
        } | {f"key_{number}": key for number, key in enumerate(keys)}  # fmt: skip
        inputs.load(
            self.database, "specification", **{name: pa.array([value], pa.int64()) for name, value in stated.items()}
        )
        # The engine evaluates a function's annotations, which name types only a checker imports; a lambda has none.
        zone_of = lambda latitude, longitude: self._zone_of(latitude, longitude)  # noqa: E731, PLW0108
        self.database.create_function("zone_of", zone_of, ["DOUBLE", "DOUBLE"], "BIGINT", type="arrow")  # type: ignore[call-overload]
        inputs.rows(self.database, self.definition.read_text(encoding="utf-8"))

    def release(self, say: Say) -> Outcome:
        """Draw the noise, withhold, make counts agree, weigh who is in what is left, and write it all as files."""
        import pyarrow as pa  # noqa: PLC0415

        drawn = drawing.draw(self.specification, self._counts(), settings().secret.encode(), say)
        say("weighing contributions", 0.86)
        manifest = self._manifest(drawn.counted)
        noisy = pa.table({"key": drawn.published.keys, "people": drawn.published.people})
        files = {
            "noisy.parquet": self._parquet("noisy.parquet", noisy),
            "cells.parquet": self._parquet("cells.parquet", self._cells(drawn), about=self._about()),
            "manifest.parquet": self._parquet("manifest.parquet", manifest, group=MANIFEST_GROUP),
        }
        figures = drawn.figures | {
            "contributors": len(manifest),
            "total_weight": int(np.sum(manifest["weight"].to_numpy())),
            "cells_sha256": sha256(files["cells.parquet"]),
            "manifest_sha256": sha256(files["manifest.parquet"]),
        }
        refusal = None
        if not len(manifest):
            refusal = "Nobody is in the cells that could be published, so there is nothing to sell."
        return Outcome(files, figures, refusal, drawn.coverage)

    def _counts(self) -> drawing.Counts:
        """Return the true cells by position in the key set, and who of the area consents, by home and band."""
        s = self.specification
        bands = len(s.age_bands)
        cell = self.database.execute("SELECT zone, starts_at_us, segment, people, events FROM cell").fetchnumpy()
        step = s.step // dt.timedelta(microseconds=1)
        zone = np.searchsorted(self._zones(), cell["zone"])
        time = (cell["starts_at_us"] - microseconds(s.period_from)) // step
        keys = (zone * s.times + time) * bands + cell["segment"]
        order = np.argsort(keys, kind="stable")
        home = self.database.execute(
            """SELECT home, segment, count(*) AS population, count(consent.subscriber_id) AS consenting
               FROM subscriber LEFT JOIN consent USING (subscriber_id) WHERE in_area GROUP BY home, segment"""
        ).fetchnumpy()
        place = np.searchsorted(self._zones(), home["home"]) * bands + home["segment"]
        population, consenting = np.zeros((2, len(s.zones) * bands), np.int64)
        population[place], consenting[place] = home["population"], home["consenting"]
        return drawing.Counts(
            np.asarray(keys[order], np.int64), np.asarray(cell["people"][order], np.int64),
            np.asarray(cell["events"][order], np.int64), consenting, population,
        )  # fmt: skip

    def _cells(self, drawn: drawing.Drawn) -> pa.Table:
        """Return what is sold, by zone, time and segment."""
        return drawing.table(self.specification, drawn)

    def _manifest(self, counted: NDArray[np.int64]) -> pa.Table:
        """Return reference and weight of everyone who counts in these keys, by reference."""
        import pyarrow as pa  # noqa: PLC0415

        s = self.specification
        step = s.step // dt.timedelta(microseconds=1)
        inputs.load(
            self.database,
            "published",
            zone=pa.array(self._zones()[counted // (len(s.age_bands) * s.times)], pa.int64()),
            starts_at_us=pa.array(
                microseconds(s.period_from) + counted // len(s.age_bands) % s.times * step, pa.int64()
            ),
            segment=pa.array(counted % len(s.age_bands), pa.int32()),
        )
        who = self.database.execute(
            """SELECT subscriber_id AS reference, count(*) AS weight
               FROM contribution JOIN published USING (zone, starts_at_us, segment)
               GROUP BY subscriber_id ORDER BY subscriber_id"""
        ).fetchnumpy()
        return pa.table({name: pa.array(np.asarray(who[name]), pa.int64()) for name in ("reference", "weight")})

    def _parquet(
        self, name: str, table: pa.Table, *, about: dict[str, str] | None = None, group: int = 1_048_576
    ) -> Path:
        import pyarrow.parquet as pq  # noqa: PLC0415

        path = self.folder / name
        pq.write_table(table.replace_schema_metadata(about), path, compression="zstd", row_group_size=group)
        return path

    def _about(self) -> dict[str, str]:
        """Return what the file says of itself: enough to use it far from here."""
        s = self.specification
        return {
            "partage.dataset": s.dataset,
            "partage.period": f"{s.period_from.isoformat()}/{s.period_to.isoformat()}",
            "partage.grain": s.grain,
            "partage.zones": f"H3, resolution {s.resolution}",
            "partage.method": f"{rules.METHOD}: discrete {s.mechanism}, one subscriber in one {s.unit}",
            "partage.epsilon": f"{s.epsilon_micro / noise.MICRO:g}",
            "partage.delta": f"{s.delta:g}",
            "partage.bounds": f"{s.max_cells} cells a subscriber, {s.max_events} events a cell",
            "partage.threshold": str(s.threshold),
            "partage.specification": s.digest,
        }

    def _zones(self) -> NDArray[np.int64]:
        """Return the key set's zones as whole numbers, ascending."""
        return np.array([int(zone, 16) for zone in self.specification.zones], np.int64)

    def _zone_of(self, latitude: pa.ChunkedArray[Any], longitude: pa.ChunkedArray[Any]) -> pa.Array[Any]:
        """Return the zone of each place."""
        import h3.api.numpy_int as h3  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415

        resolution = self.specification.resolution
        places = zip(latitude.to_pylist(), longitude.to_pylist(), strict=True)
        return pa.array([int(h3.latlng_to_cell(*place, resolution)) for place in places], pa.int64())

    def _one(self, sql: str) -> int:
        return int(inputs.rows(self.database, sql)[0][0])


def microseconds(instant: dt.datetime) -> int:
    """Return an aware instant in microseconds since 1970."""
    return (instant - EPOCH) // dt.timedelta(microseconds=1)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
