"""A partner's own bucket, as a page: add it, see what was put there and what went wrong, try again, remove it."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.bucket_exports import actions, queries, rules
from marketplace.errors import Refusal
from marketplace.identity.guards import expect, partner, recently_proved
from marketplace.identity.pages import FORM, Asked, Token
from marketplace.web.i18n import gettext
from marketplace.web.pages import again, page, see

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor

SHOWN_AGAIN = ("endpoint", "region", "bucket", "prefix", "key")
"""What of a refused form is shown again: not the secret."""
LONGEST = 500


class NewBucket(Token):
    """A bucket as a partner writes it."""

    bucket: str
    key: str
    secret: str
    endpoint: str = ""
    region: str = ""
    prefix: str = ""


async def _context(who: Actor | None) -> dict[str, Any]:
    assert who
    assert who.partner
    buckets = await queries.list_buckets(who.partner)
    deliveries = await queries.list_deliveries(who.partner)
    return {
        "buckets": buckets,
        "has_open": any(not row.disabled_at for row in buckets),
        "deliveries": [(row, gettext(row.last_answer) if row.last_answer else "") for row in deliveries],
    }


@get("/bucket", guards=[partner, recently_proved], opt=expect("partner"))
async def bucket_page(request: Asked) -> Template:
    """Show a partner its bucket, and what was put there."""
    return page("bucket_exports/bucket.html", error="", form={}, **await _context(request.user))


@post("/bucket", guards=[partner, recently_proved], opt=expect("partner"))
async def add_bucket(request: Asked, data: Annotated[NewBucket, Body(media_type=FORM)]) -> Redirect | Template:
    """Add a bucket, which is tried at once."""
    assert request.user
    written = rules.Written(data.endpoint, data.region, data.bucket, data.prefix, data.key, data.secret)
    try:
        await actions.add_bucket(request.user, written, bucket_id=data.form_id)
    except Refusal as refusal:
        form = {name: getattr(data, name)[:LONGEST] for name in SHOWN_AGAIN}
        return again("bucket_exports/bucket.html", refusal, form=form, **await _context(request.user))
    return see("/bucket")


@post("/bucket/{bucket:uuid}/remove", guards=[partner], opt=expect("partner", stranger=404))
async def remove_bucket(
    request: Asked, bucket: FromPath[uuid.UUID], data: Annotated[Token, Body(media_type=FORM)]
) -> Redirect:
    """Put nothing more into a bucket."""
    del data
    assert request.user
    await actions.remove_bucket(request.user, bucket)
    return see("/bucket")


@post("/bucket/purchases/{purchase:int}/again", guards=[partner], opt=expect("partner", stranger=404))
async def try_again(request: Asked, purchase: FromPath[int], data: Annotated[Token, Body(media_type=FORM)]) -> Redirect:
    """Try to put a purchase there once more."""
    del data
    assert request.user
    assert request.user.partner
    await actions.try_again(request.user.partner, purchase)
    return see("/bucket")


ROUTES = [bucket_page, add_bucket, remove_bucket, try_again]
