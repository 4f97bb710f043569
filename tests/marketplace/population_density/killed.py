"""A scene for `tests.support.dying`: a callback on its way to a sink that another process serves."""

from __future__ import annotations

import datetime as dt
import os
import uuid

from marketplace.database import execute, fetch_scalar
from marketplace.population_density.callbacks import answer_callbacks, promise_answer
from marketplace.population_density.rules import DensityRequest, GeohashList
from tests.support.dying import Scene


async def promise(name: str) -> None:
    """Promise an answer to somebody who bought nothing: that is an answer too."""
    partner = await fetch_scalar(uuid.UUID, "SELECT id FROM partner LIMIT 1")
    assert partner
    day = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    area, sink = GeohashList(["u05k"]), f"{os.environ['SINK']}/{name}"
    await promise_answer(partner, DensityRequest(area, day, day + dt.timedelta(hours=1), sink=sink))


async def work(_: str) -> None:
    await answer_callbacks()


async def finish(_: str) -> None:
    """Answer what is left, and refuse a promise that is not kept."""
    await execute("UPDATE density_callback SET next_at = now()")
    await answer_callbacks()
    assert await fetch_scalar(int, "SELECT count(*) FROM density_callback") == 0


FILES = ("marketplace/population_density/callbacks.py", "marketplace/notifications/posting.py")
SCENES = {"callback": Scene(promise, work, finish, FILES)}
