"""Pages of one's rights: a copy of all that is held about one, and erasing oneself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from litestar import Response, get, post
from litestar.params import Body
from litestar.response import Redirect, Stream, Template
from msgspec import Struct

from marketplace import clock
from marketplace.errors import Invalid, NotAllowed, NotFound, Refusal
from marketplace.identity.guards import expect, forget_cookie, recently_proved, signed_in
from marketplace.identity.pages import FORM, Asked
from marketplace.rights.copies import pieces_of, write_copy
from marketplace.rights.erasing import erase, foresee
from marketplace.web.formats import paris_day
from marketplace.web.pages import again, page, see

if TYPE_CHECKING:
    import uuid


class ErasureForm(Struct):
    """Whether somebody is sure, and wants to be paid first: each `yes`, or nothing."""

    sure: str = ""
    last_payout: str = ""


def _me(request: Asked) -> uuid.UUID:
    assert request.user
    if request.user.person is None:
        raise NotFound("There is nothing here.")
    return request.user.person


# A copy ---------------------------------------------------------------------------------------------------------------


@get("/profile/data", guards=[signed_in], opt=expect("signed in"))
async def data_page() -> Template:
    """Say what a copy has, and offer it."""
    return page("rights/data.html")


@post("/profile/data", guards=[signed_in, recently_proved], opt=expect("signed in"), status_code=200)
async def copy_data(request: Asked) -> Stream:
    """Hand out all that is held about the person."""
    file = await write_copy(_me(request))
    name = f"partage-{paris_day(clock.now()).isoformat()}.zip"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Stream(pieces_of(file), headers=headers, media_type="application/zip")


# Erasing oneself ------------------------------------------------------------------------------------------------------


def _no_staff(request: Asked) -> None:
    if request.user and request.user.role:
        raise NotAllowed("Staff cannot erase themselves: what they decided names them.")


async def _context(request: Asked) -> dict[str, Any]:
    return {"outcome": await foresee(_me(request)), "line": request.user.subscriber if request.user else None}


@get("/profile/erase", guards=[signed_in, recently_proved], opt=expect("partner", "subscriber"))
async def erasure_page(request: Asked) -> Template:
    """Say what erasing does, and what becomes of the balance."""
    _no_staff(request)
    return page("rights/erase.html", error="", form=ErasureForm(), **await _context(request))


@post("/profile/erase", guards=[signed_in, recently_proved], opt=expect("partner", "subscriber"), status_code=200)
async def erase_me(request: Asked, data: Annotated[ErasureForm, Body(media_type=FORM)]) -> Response[Any] | Template:
    """Erase the person; the books keep the pseudonymous line, and the names of staff who decided."""
    _no_staff(request)
    try:
        if data.sure != "yes":
            raise Invalid("Say that you are sure: nothing brings you back.", field="sure")
        await erase(_me(request), last_payout=data.last_payout == "yes")
    except Refusal as refusal:
        return again("rights/erase.html", refusal, form=data, **await _context(request))
    answer = see("/goodbye")
    answer.set_cookie(forget_cookie())
    return answer


@get("/goodbye", opt=expect("anyone"))
async def goodbye_page(request: Asked) -> Template | Redirect:
    """Say that it is done."""
    return see("/") if request.user else page("rights/goodbye.html")


ROUTES = [data_page, copy_data, erasure_page, erase_me, goodbye_page]
