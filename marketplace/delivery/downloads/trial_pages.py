"""Pages of a trial: its description, its beginning, its files."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Any

from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Stream, Template

from marketplace.catalogue.offers.queries import get_listing
from marketplace.core import clock
from marketplace.core.errors import Refusal
from marketplace.core.web.buttons import Explained, Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import again, page, see
from marketplace.delivery.downloads import trial_actions, trial_queries
from marketplace.delivery.downloads.formats.registry import FORMATS
from marketplace.people.identity.guards import ActorRequest, expect, partner, staff, vetted_partner
from marketplace.people.identity.queries import get_partner

Format = Annotated[str, QueryParameter(name="format", max_length=20, schema_extra={"enum": list(FORMATS)})]


@get("/datasets/{code:str}/trial", guards=[vetted_partner], opt=expect("vetted partner", stranger=200))
async def offered(request: ActorRequest, code: FromPath[str]) -> Template:
    """Describe a trial of this dataset."""
    return page("downloads/offered.html", error="", **await _shown(request, code))


@post(
    "/datasets/{code:str}/trial", guards=[vetted_partner], opt=expect("vetted partner", stranger=200), status_code=200
)
async def begin(request: ActorRequest, code: FromPath[str], data: Pressed) -> Template | Redirect:
    """Begin the partner's trial."""
    assert request.user.partner
    try:
        await trial_actions.begin(request.user.partner, code, trial=data.form_id)
    except Refusal as refusal:
        return again("downloads/offered.html", refusal, **await _shown(request, code))
    return see("/trial")


@get("/trial", guards=[partner], opt=expect("partner"))
async def show(request: ActorRequest) -> Template:
    """Show the partner's own trial."""
    assert request.user.partner
    return page(
        "downloads/trial.html",
        trial=await trial_queries.find_trial(request.user.partner),
        now=clock.now(),
        formats=FORMATS,
    )


@get("/trial/download", guards=[partner], opt=expect("partner"))
async def download(request: ActorRequest, file_format: Format = "parquet") -> Stream:
    """Send the file of the partner's own trial."""
    assert request.user.partner
    return await give(request.user.partner, file_format)


@get(
    "/partners/{partner_id:uuid}/trial",
    guards=[staff("steward", "auditor")],
    opt=expect("steward", "auditor", stranger=200),
)
async def show_allowing(partner_id: FromPath[uuid.UUID]) -> Template:
    """Show whether a partner may have its trial, and what prevents it."""
    return page("downloads/allow.html", error="", form={}, **await _allowing(partner_id))


@post(
    "/partners/{partner_id:uuid}/trial",
    guards=[staff("steward")],
    opt=expect("steward", stranger=200),
    status_code=200,
)
async def allow(
    request: ActorRequest,
    partner_id: FromPath[uuid.UUID],
    data: Explained,
) -> Template | Redirect:
    """Allow a partner its trial, with the reason, although another account resembles its company."""
    try:
        await trial_actions.allow(request.user, partner_id, data.reason)
    except Refusal as refusal:
        return again("downloads/allow.html", refusal, form={"reason": data.reason}, **await _allowing(partner_id))
    return see(f"/partners/{partner_id}/trial")


async def _allowing(partner_id: uuid.UUID) -> dict[str, Any]:
    company, had_by = await get_partner(partner_id), await trial_queries.find_companys_trial(partner_id)
    return {
        "company": company,
        "had_by": await get_partner(had_by) if had_by else None,
        "is_allowed": await trial_queries.is_allowed(partner_id),
    }


async def give(partner: uuid.UUID, file_format: str) -> Stream:
    """Answer with the file of a partner's trial."""
    file = await trial_actions.open_file(partner, file_format)
    headers = {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Content-Length": str(file.byte_count),
        "Cache-Control": "private, no-store",
    }
    return Stream(trial_actions.read(file), headers=headers, media_type=file.media_type)


async def _shown(request: ActorRequest, code: str) -> dict[str, Any]:
    assert request.user.partner
    listing = await get_listing(code)
    return {
        "listing": listing,
        "older": await trial_queries.find_tryable(code, listing.sheet, clock.now()),
        "trial": await trial_queries.find_trial(request.user.partner),
    }


ROUTES = [offered, begin, show, download, show_allowing, allow]
