"""The steward's page of a release: figures, dossier, whether it is on sale, publishing and recalling it.

Publishing and recalling cannot be undone: each asks for confirmation on a page that explains it.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.offers import offers
from marketplace.catalogue.offers.actions import price_now
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.catalogue.steward import actions
from marketplace.catalogue.steward.findings_words import explain
from marketplace.catalogue.steward.queries import get_shelf
from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import again, filled, page, see
from marketplace.datasets.geography.queries import get_geography, outlines
from marketplace.datasets.releases import dossier, queries
from marketplace.people.identity.guards import ActorRequest, expect, staff
from marketplace.privacy.geography import OwnZones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.steward.queries import ShelfRow
    from marketplace.datasets.releases.queries import CoverageRow, ReleaseRow

reader, steward = staff("steward", "auditor"), staff("steward")


class RevocationForm(Struct):
    """The reason for recalling a release, for its holders."""

    form_id: uuid.UUID
    reason_fr: str
    reason_en: str


@get("/steward/releases/{release:uuid}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def show_release(release: FromPath[uuid.UUID], request: ActorRequest) -> Template:
    """Show a release: its figures, its dossier, whether it is on sale, and the possible actions."""
    shown = await _release(release)
    row, is_exact = shown["release"], request.user.role == "auditor"
    inputs = dossier.inputs_for(shown["dossier"], row.inputs, is_exact=is_exact)
    return page("steward/release.html", **shown, inputs=inputs, is_exact=is_exact)


@get("/steward/releases/{release:uuid}/dossier.json", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def download_dossier(release: FromPath[uuid.UUID]) -> Response[bytes]:
    """Send the signed dossier with the key that verifies it."""
    row = await queries.get_dossier(release)
    signed = {
        "document": row.document.decode(),
        "signature": row.signature.hex(),
        "public_key": public_key(settings().signing_key).hex(),
        "algorithm": "Ed25519 over the UTF-8 bytes of document",
    }
    headers = {"Content-Disposition": f'attachment; filename="dossier-{release}.json"'}
    return Response(json.dumps(signed, indent=1).encode(), media_type="application/json", headers=headers)


@get("/steward/releases/{release:uuid}/publish", guards=[steward], opt=expect("steward", stranger=200))
async def ask_to_publish(release: FromPath[uuid.UUID]) -> Template:
    """Explain the effect of publishing a release, and whether it would be on sale, before it is published."""
    row = await queries.get_release(release)
    return page("steward/publish.html", **await _named(row), **await _sale(row))


@post("/steward/releases/{release:uuid}/publish", guards=[steward], opt=expect("steward", stranger=200))
async def publish(
    release: FromPath[uuid.UUID],
    data: Pressed,
    request: ActorRequest,
) -> Redirect:
    """Publish a release that passed the gate."""
    del data
    await actions.publish_release(request.user, release)
    return see(f"/steward/releases/{release}")


@get("/steward/releases/{release:uuid}/revoke", guards=[steward], opt=expect("steward", stranger=200))
async def ask_to_revoke(release: FromPath[uuid.UUID]) -> Template:
    """Explain the effect of recalling a release, and ask for the reason."""
    row = await queries.get_release(release)
    revocation = await queries.find_revocation(release)
    return page("steward/revoke.html", error="", form={}, revocation=revocation, **await _named(row))


@post("/steward/releases/{release:uuid}/revoke", guards=[steward], opt=expect("steward", stranger=200))
async def revoke(
    release: FromPath[uuid.UUID],
    data: Annotated[RevocationForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    request: ActorRequest,
) -> Redirect | Template:
    """Recall a published release, with a reason for its holders."""
    try:
        await actions.call_back(request.user, release, reason_fr=data.reason_fr, reason_en=data.reason_en)
    except (Conflict, Invalid) as refusal:
        form = {"reason_fr": data.reason_fr, "reason_en": data.reason_en}
        row, was = await queries.get_release(release), await queries.find_revocation(release)
        return again("steward/revoke.html", refusal, form=form, revocation=was, **await _named(row))
    return see(f"/steward/releases/{release}")


async def _named(row: ReleaseRow) -> dict[str, Any]:
    return {"release": row, "dataset": await queries.get_dataset(row.dataset)}


async def _sale(row: ReleaseRow) -> dict[str, Any]:
    """Return whether a release is or would be on sale: its offer, its price, or why it has no price."""
    shelf = await get_shelf(row.dataset)
    amount_minor, why = None, ""
    if shelf.is_open:
        try:
            amount_minor = await _amount(row, shelf)
        except Conflict as refused:
            why = filled(refused)
    return {"shelf": shelf, "amount_minor": amount_minor, "why_not": why}


async def _amount(row: ReleaseRow, shelf: ShelfRow) -> int | None:
    """Return today's price of a release under the open offer, in cents; before publishing, its price afterwards."""
    if row.state == "sealed":
        [priced] = await list_priced_releases([row.id])
        return (await price_now(priced, now=clock.now())).amount_minor
    if row.state == "assessed" and shelf.is_open:
        return (await offers.price_if_published(row.id)).amount_minor
    return None


async def _release(release: uuid.UUID) -> dict[str, Any]:
    row = await queries.get_release(release)
    dataset = await queries.get_dataset(row.dataset)
    coverage = await queries.list_coverage(release)
    try:
        found = await queries.get_dossier(release)
    except NotFound:
        found = None
    stated = dossier.read(found.document) if found else None
    revocation = await queries.find_revocation(release)
    return {
        "release": row,
        "dataset": dataset,
        "dossier": stated,
        "findings": explain(stated) if stated else [],
        "is_ours": found is not None and dossier.is_ours(found.document, found.signature, settings().signing_key),
        "coverage": coverage,
        **await _percent_by_zone(dataset.zone_table, coverage),
        "editions": await queries.list_editions(release),
        "notices": await queries.list_notices(release),
        "revocation": revocation,
        **await _sale(row),
    }


async def _percent_by_zone(zone_table: str | None, coverage: Sequence[CoverageRow]) -> dict[str, Any]:
    """Return the consenting share, in percent, by area, with names and outlines; nothing if no area has an outline."""
    areas = [row for row in coverage if row.kind == "area"]
    shares = {row.name: 100 * row.consenting / row.population if row.population else None for row in areas}
    geography = await get_geography(zone_table)
    drawn = await asyncio.to_thread(outlines, geography, tuple(shares))
    called = geography.names if isinstance(geography, OwnZones) else None
    return {"areas": shares if drawn.paths else {}, "names": called, "outlines": drawn}


ROUTES = [show_release, download_dossier, ask_to_publish, publish, ask_to_revoke, revoke]
