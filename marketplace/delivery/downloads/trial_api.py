"""Trials for a partner's programs: begin the company's one trial, see it, download its file."""

from __future__ import annotations

import datetime as dt
import uuid

from litestar import get, post
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.response import Stream  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.errors import NotFound, existing
from marketplace.delivery.downloads import trial_actions, trial_queries
from marketplace.delivery.downloads.formats.registry import FORMATS
from marketplace.delivery.downloads.trial_pages import Format, give
from marketplace.people.identity.guards import ActorRequest, expect, partner, vetted_partner
from marketplace.sales.orders.api import IdempotencyKey, once


class Trial(Struct):
    """A company's trial of an older release, readable until it ends."""

    id: uuid.UUID
    dataset: str
    release: uuid.UUID
    period_from: dt.datetime
    period_to: dt.datetime
    row_count: int
    cells_sha256: str
    """Of the Parquet file."""
    starts_at: dt.datetime
    ends_at: dt.datetime
    recalled_at: dt.datetime | None


@post(
    "/api/v1/datasets/{code:str}/trial",
    guards=[vetted_partner],
    opt=expect("vetted partner", stranger=200, scope="orders"),
    tags=["trials"],
)
async def begin_trial(request: ActorRequest, code: FromPath[str], idempotency_key: IdempotencyKey = "") -> Trial:
    """Begin the company's one trial, of an older release of a dataset, for two weeks; the same Idempotency-Key begins once."""
    assert request.user.partner
    await trial_actions.begin(request.user.partner, code, trial=once(request.user.partner, "trial", idempotency_key))
    return await _answer(request)


@get("/api/v1/trial", guards=[partner], opt=expect("partner", scope="orders"), tags=["trials"])
async def show_trial(request: ActorRequest) -> Trial:
    """Show the company's trial, ended or not."""
    return await _answer(request)


@get(
    "/api/v1/trial/download",
    guards=[partner],
    opt=expect("partner", scope="downloads") | {"files": sorted({of.media_type for of in FORMATS.values()})},
    tags=["trials"],
)
async def download_trial(request: ActorRequest, file_format: Format = "parquet") -> Stream:
    """Download the file of the company's trial in a format."""
    assert request.user.partner
    return await give(request.user.partner, file_format)


async def _answer(request: ActorRequest) -> Trial:
    assert request.user.partner
    row = existing(await trial_queries.find_trial(request.user.partner), NotFound("Your company has had no trial yet."))
    return Trial(**{name: getattr(row, name) for name in Trial.__struct_fields__})


ROUTES = [begin_trial, show_trial, download_trial]
