"""Delivery for machines: what may be downloaded, and the download itself."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from marketplace.core.web.pages import PageNumber  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.delivery.downloads import actions, queries
from marketplace.delivery.downloads.dictionary import Dictionary
from marketplace.delivery.downloads.formats.registry import FORMATS
from marketplace.delivery.downloads.pages import Format, deliver
from marketplace.people.identity.guards import ActorRequest, expect, partner

if TYPE_CHECKING:
    from marketplace.delivery.downloads.queries import EntitlementRow

After = Annotated[uuid.UUID | None, QueryParameter(name="after")]
Dataset = Annotated[str | None, QueryParameter(name="dataset", max_length=63)]


class Entitlement(Struct):
    """An entitlement to download, with its dates."""

    id: uuid.UUID
    purchase_order: uuid.UUID
    number: str
    """The order's number, as people read it."""
    dataset: str
    release: uuid.UUID
    period_from: dt.datetime
    period_to: dt.datetime
    level: int
    """Accuracy: 0 is the release itself, 1 and higher its coarser editions."""
    row_count: int
    cells_sha256: str
    """Of the Parquet file."""
    starts_at: dt.datetime
    ends_at: dt.datetime
    revoked_at: dt.datetime | None
    """When a refund ended it."""
    recalled_at: dt.datetime | None
    """When the release was recalled: delete your copies."""
    recalled_fr: str | None
    recalled_en: str | None
    """The reason of the recall."""


class Entitlements(Struct):
    """One page of entitlements, the latest first."""

    page: int
    has_more: bool
    entitlements: list[Entitlement]
    after: uuid.UUID | None = None
    """Request those after this one next: unlike pages, they do not move while orders are paid."""


@get("/api/v1/entitlements", guards=[partner], opt=expect("partner", scope="downloads"), tags=["delivery"])
async def list_entitlements(
    request: ActorRequest, number: PageNumber = 1, after: After = None, dataset: Dataset = None
) -> Entitlements:
    """List what the partner may download, ended and revoked entitlements too."""
    assert request.user.partner
    found = await queries.list_entitlements(request.user.partner, number, after=after, dataset=dataset)
    if after and not found.rows:
        await queries.get_entitlement(request.user.partner, after)
    last = found.rows[-1].id if found.rows else after
    return Entitlements(found.number, found.more, [_answer(row) for row in found.rows], last)


@get(
    "/api/v1/entitlements/{entitlement:uuid}",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="downloads"),
    tags=["delivery"],
)
async def show_entitlement(request: ActorRequest, entitlement: FromPath[uuid.UUID]) -> Entitlement:
    """Show one entitlement."""
    assert request.user.partner
    return _answer(await queries.get_entitlement(request.user.partner, entitlement))


@get(
    "/api/v1/entitlements/{entitlement:uuid}/download",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="downloads")
    | {"files": sorted({of.media_type for of in FORMATS.values()})},
    tags=["delivery"],
)
async def download(
    request: ActorRequest, entitlement: FromPath[uuid.UUID], file_format: Format = "parquet"
) -> Response[Any]:
    """Download the cells in a format, whole or in parts."""
    assert request.user.partner
    return await deliver(request, await actions.open_download(request.user.partner, entitlement, file_format))


@get(
    "/api/v1/entitlements/{entitlement:uuid}/dictionary",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="downloads"),
    tags=["delivery"],
)
async def show_dictionary(request: ActorRequest, entitlement: FromPath[uuid.UUID]) -> Dictionary:
    """Say what the columns of the cells mean, how exact they are, and until when the licence is."""
    assert request.user.partner
    return msgspec.json.decode(await actions.read_dictionary(request.user.partner, entitlement), type=Dictionary)


def _answer(row: EntitlementRow) -> Entitlement:
    return Entitlement(**{name: getattr(row, name) for name in Entitlement.__struct_fields__})


ROUTES = [list_entitlements, show_entitlement, download, show_dictionary]
