"""Requests, answers and the codes of refusals; names and messages are the official document's.

Source: CAMARA Population Density Data (camaraproject/PopulationDensityData).
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from marketplace.delivery.outgoing.rules import has_host
from marketplace.delivery.population_density import grid

HOUR: Final = dt.timedelta(hours=1)
MOST_HOURS: Final = 168
SCHEMES = ("https",)
MOST_CELLS: Final = 10_000
MOST_AROUND: Final = 100_000
"""Most cells of the box around a polygon, which are compared with it."""
MOST_AT_ONCE: Final = 100_000
"""Most cells times hours that are answered without a callback."""
MOST: Final = 1_000_000
FEWEST_CORNERS, MOST_CORNERS = 3, 15
PRECISIONS: Final = range(4, 9)
"""Lengths of supported geohashes: from a region to a street corner."""
DEFAULT_PRECISION: Final = 7
ALPHABET: Final = "^[0-9bcdefghjkmnpqrstuvwxyz]{1,12}$"
OWN: Final = "POPULATION_DENSITY_DATA."
INVALID: Final = "INVALID_ARGUMENT"
MESSAGES: Final = {
    "INVALID_ARGUMENT": (400, "Client specified an invalid argument, request body or query param."),
    "INVALID_CREDENTIAL": (400, "Only Access token is supported"),
    "INVALID_TOKEN": (400, "Only bearer token is supported"),
    "INVALID_SINK": (400, "sink not valid for the specified protocol"),
    "UNAUTHENTICATED": (401, "Request not authenticated due to missing, invalid, or expired credentials."),
    "TOO_MANY_REQUESTS": (429, "Rate limit reached."),
    "PERMISSION_DENIED": (403, "Client does not have sufficient permissions to perform this action."),
    "INVALID_AREA": (400, "The area is not a polygon shape or has an arbitrary complexity"),
    "MAX_STARTTIME_EXCEEDED": (400, "Indicated startTime is greater than the maximum allowed"),
    "MIN_STARTTIME_EXCEEDED": (400, "Indicated startTime is earlier than the minimum allowed"),
    "INVALID_END_TIME": (400, "Indicated endDate is earlier than the startTime"),
    "MAX_TIME_PERIOD_EXCEEDED": (400, "Indicated time period is greater than the maximum allowed"),
    "INVALID_TIME_PERIOD": (400, "Indicated time period is partially in the past and partially in the future"),
    "UNSUPPORTED_REQUEST": (422, "Indicated combination of area, time interval and precision is too big"),
    "UNSUPPORTED_PRECISION": (422, "Indicated cell precision (Geohash length) is not supported"),
    "UNSUPPORTED_SYNC_RESPONSE": (
        422,
        "Indicated combination of area, time interval and precision is too big for a sync response",
    ),
}
"""Each refusal's status and message."""
GENERIC: Final = ("INVALID_ARGUMENT", "INVALID_CREDENTIAL", "INVALID_TOKEN", "INVALID_SINK", "UNAUTHENTICATED")
INT32: Final = 2**31 - 1


class DensityError(Exception):
    """A refusal with its code in the official document."""

    def __init__(self, name: str) -> None:
        """Look the code up."""
        super().__init__(name)
        self.status, self.message = MESSAGES[name]
        self.code = name if name in (*GENERIC, "PERMISSION_DENIED", "TOO_MANY_REQUESTS") else OWN + name


Instant = Annotated[dt.datetime, Meta(tz=True)]
Geohash = Annotated[str, Meta(pattern=ALPHABET)]


class Point(Struct, frozen=True, forbid_unknown_fields=True):
    """A place, in degrees."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]


class Polygon(Struct, frozen=True, forbid_unknown_fields=True, tag_field="areaType", tag="POLYGON"):
    """An area by its corners."""

    boundary: Annotated[list[Point], Meta(min_length=3)]


class GeohashList(Struct, frozen=True, forbid_unknown_fields=True, tag_field="areaType", tag="GEOHASHLIST"):
    """An area as a list of cells."""

    geohashes: Annotated[list[Geohash], Meta(min_length=1, max_length=1000)]


class SinkCredential(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The credential for the callback: an access token."""

    credential_type: str
    access_token: Annotated[str, Meta(max_length=4000, pattern="^[!-~]+$")] | None = None
    access_token_expires_utc: Instant | None = None
    access_token_type: str = "bearer"  # noqa: S105 (a kind of token)


class DensityRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A request for the density of an area in a time; with a sink, the answer is posted there."""

    area: Polygon | GeohashList
    start_time: Instant
    end_time: Instant
    precision: Annotated[int, Meta(ge=1, le=12)] | None = None
    sink: Annotated[str, Meta(max_length=2048)] | None = None
    sink_credential: SinkCredential | None = None


class NoData(Struct, frozen=True, rename="camel", tag_field="dataType", tag="NO_DATA"):
    """A cell without a bought release."""

    geohash: str


class LowDensity(Struct, frozen=True, rename="camel", tag_field="dataType", tag="LOW_DENSITY"):
    """A cell in which every figure is withheld."""

    geohash: str


class DensityEstimation(Struct, frozen=True, rename="camel", tag_field="dataType", tag="DENSITY_ESTIMATION"):
    """People per square kilometre in a cell: the estimate, and the published interval."""

    geohash: str
    max_ppl_density: int
    min_ppl_density: int
    ppl_density: int


Cell = NoData | LowDensity | DensityEstimation


class TimedCells(Struct, frozen=True, rename="camel"):
    """The cells of one hour."""

    start_time: dt.datetime
    end_time: dt.datetime
    cell_population_density_data: list[Cell]


class Density(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The answer: hour by hour, cell by cell; a callback's has the id of its operation."""

    timed_population_density_data: list[TimedCells]
    status: str
    status_info: str | None = None
    operation_id: uuid.UUID | None = None


class Accepted(Struct, frozen=True, rename="camel"):
    """The answer will be posted to the sink."""

    operation_id: uuid.UUID


def hours_of(asked: DensityRequest, now: dt.datetime) -> list[dt.datetime]:
    """Return the starts of the hours that cover a request; refuses the future, and more hours than a week has."""
    start, end = asked.start_time.astimezone(dt.UTC), asked.end_time.astimezone(dt.UTC)
    if end < start:
        raise DensityError("INVALID_END_TIME")
    if start > now:
        raise DensityError("MAX_STARTTIME_EXCEEDED")
    if end > now:
        raise DensityError("INVALID_TIME_PERIOD")
    if end - start > MOST_HOURS * HOUR:
        raise DensityError("MAX_TIME_PERIOD_EXCEEDED")
    first = start.replace(minute=0, second=0, microsecond=0)
    count = max(1, -((first - end) // HOUR))
    if count > MOST_HOURS:
        raise DensityError("MAX_TIME_PERIOD_EXCEEDED")
    return [first + n * HOUR for n in range(count)]


def cells_of(asked: DensityRequest) -> list[str]:
    """Return the requested cells; refuses an invalid area, and one that is too fine, coarse or large."""
    if isinstance(asked.area, GeohashList):
        if asked.precision is not None:
            raise DensityError(INVALID)
        if any(len(name) not in PRECISIONS for name in asked.area.geohashes):
            raise DensityError("UNSUPPORTED_PRECISION")
        return list(dict.fromkeys(asked.area.geohashes))
    ring = [(point.longitude, point.latitude) for point in asked.area.boundary]
    ring = ring[:-1] if ring[0] == ring[-1] else ring
    if not FEWEST_CORNERS <= len(ring) <= MOST_CORNERS or not grid.is_simple(ring):
        raise DensityError("INVALID_AREA")
    precision = asked.precision or DEFAULT_PRECISION
    if precision not in PRECISIONS:
        raise DensityError("UNSUPPORTED_PRECISION")
    cells = grid.cells_over(ring, precision, MOST_AROUND)
    if cells is None or len(cells) > MOST_CELLS:
        raise DensityError("UNSUPPORTED_REQUEST")
    return cells


def check_size(asked: DensityRequest, cells: int, hours: int) -> None:
    """Refuse a request that is too large to answer, or to answer without a callback."""
    if cells * hours > MOST:
        raise DensityError("UNSUPPORTED_REQUEST")
    if cells * hours > MOST_AT_ONCE and asked.sink is None:
        raise DensityError("UNSUPPORTED_SYNC_RESPONSE")


def check_sink(asked: DensityRequest) -> None:
    """Refuse a sink that is not HTTPS, and a credential that is no bearer token."""
    if asked.sink is not None:
        try:
            parts = urlsplit(asked.sink)
            is_plain = bool(parts.scheme in SCHEMES and parts.hostname and not parts.username)
            is_sound = is_plain and parts.port != 0 and has_host(asked.sink)
        except ValueError:
            is_sound = False
        if not is_sound:
            raise DensityError("INVALID_SINK")
    credential = asked.sink_credential
    if credential is not None:
        if credential.credential_type != "ACCESSTOKEN" or not credential.access_token:
            raise DensityError("INVALID_CREDENTIAL")
        if credential.access_token_type != "bearer":  # noqa: S105 (a kind of token)
            raise DensityError("INVALID_TOKEN")
