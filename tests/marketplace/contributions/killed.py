"""The scene of the index for `tests.support.dying`: a run that is killed; a later one goes on where it died."""

from __future__ import annotations

import pyarrow.parquet  # noqa: F401 (once here, or for a second in every child)

from marketplace.contributions.actions import index_contributions
from marketplace.database import execute
from tests.marketplace.contributions.test_index import check, drawn
from tests.support.dying import Scene
from tests.support.reads import fetch


async def before(_: str) -> None:
    """Leave the releases as if none was ever indexed; what was begun stays begun."""
    await execute("UPDATE sold_release SET segment = NULL")
    await execute("UPDATE contribution_segment SET state = 'retired', retired_at = now() WHERE state = 'live'")


async def act(_: str) -> None:
    """Bring the index up to date."""
    await index_contributions()


async def after(_: str) -> None:
    """Finish, and compare with the manifests: those of the seeds 0, 1, 2, in the order of sale."""
    await index_contributions()
    releases = [row["release"] for row in await fetch("SELECT release FROM licence ORDER BY sold_at")]
    await check({release: drawn(seed) for seed, release in enumerate(releases)})


SCENES = {"index": Scene(before, act, after, ("marketplace/contributions/actions.py",))}
