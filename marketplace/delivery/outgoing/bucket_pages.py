"""The page of a partner's own bucket: add it, see its deliveries and failures, try again, remove it."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.errors import Refusal
from marketplace.core.web.buttons import ButtonForm, Pressed
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import again, page, see
from marketplace.delivery.outgoing import bucket_actions, bucket_queries, bucket_rules
from marketplace.people.identity.guards import VisitorRequest, expect, partner, recently_proved
from marketplace.people.identity.pages import FORM

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor

SHOWN_AGAIN = ("endpoint", "region", "bucket", "prefix", "key")
"""The fields of a refused form that are shown again: not the secret."""
LONGEST = 500


class NewBucket(ButtonForm):
    """A bucket as a partner enters it."""

    bucket: str
    key: str
    secret: str
    endpoint: str = ""
    region: str = ""
    prefix: str = ""


async def _context(who: Actor | None) -> dict[str, Any]:
    assert who
    assert who.partner
    buckets = await bucket_queries.list_buckets(who.partner)
    deliveries = await bucket_queries.list_deliveries(who.partner)
    return {
        "buckets": buckets,
        "has_open": any(not row.disabled_at for row in buckets),
        "deliveries": [(row, gettext(row.last_answer) if row.last_answer else "") for row in deliveries],
    }


@get("/bucket", guards=[partner, recently_proved], opt=expect("partner"))
async def bucket_page(request: VisitorRequest) -> Template:
    """Show a partner its bucket and its deliveries."""
    return page("outgoing/bucket.html", error="", form={}, **await _context(request.user))


@post("/bucket", guards=[partner, recently_proved], opt=expect("partner"))
async def add_bucket(request: VisitorRequest, data: Annotated[NewBucket, Body(media_type=FORM)]) -> Redirect | Template:
    """Add a bucket, which is tested at once."""
    assert request.user
    written = bucket_rules.BucketForm(data.endpoint, data.region, data.bucket, data.prefix, data.key, data.secret)
    try:
        await bucket_actions.add_bucket(request.user, written, bucket_id=data.form_id)
    except Refusal as refusal:
        form = {name: getattr(data, name)[:LONGEST] for name in SHOWN_AGAIN}
        return again("outgoing/bucket.html", refusal, form=form, **await _context(request.user))
    return see("/bucket")


@post("/bucket/{bucket:uuid}/remove", guards=[partner], opt=expect("partner", stranger=404))
async def remove_bucket(request: VisitorRequest, bucket: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """Put nothing more into a bucket."""
    del data
    assert request.user
    await bucket_actions.remove_bucket(request.user, bucket)
    return see("/bucket")


@post("/bucket/purchases/{purchase:int}/again", guards=[partner], opt=expect("partner", stranger=404))
async def try_again(request: VisitorRequest, purchase: FromPath[int], data: Pressed) -> Redirect:
    """Try to put a purchase there once more."""
    del data
    assert request.user
    assert request.user.partner
    await bucket_actions.try_again(request.user.partner, purchase)
    return see("/bucket")


ROUTES = [bucket_page, add_bucket, remove_bucket, try_again]
