"""Pages of a person's rights: a copy of all data about them, and erasing themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from litestar import Response, get, post
from litestar.params import Body
from litestar.response import Redirect, Stream, Template
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Invalid, NotAllowed, NotFound, Refusal
from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import again, page, see
from marketplace.oversight.rights.copies import pieces_of, write_copy
from marketplace.oversight.rights.erasing import erase, foresee
from marketplace.people.identity.guards import VisitorRequest, expect, forget_cookie, recently_proved, signed_in
from marketplace.people.identity.pages import FORM

if TYPE_CHECKING:
    import uuid


class ErasureForm(Struct):
    """Whether the person is sure, and wants to be paid first: each `yes`, or nothing."""

    sure: str = ""
    last_payout: str = ""


def _me(request: VisitorRequest) -> uuid.UUID:
    assert request.user
    if request.user.person is None:
        raise NotFound("There is nothing here.")
    return request.user.person


# A copy ---------------------------------------------------------------------------------------------------------------


@get("/profile/data", guards=[signed_in], opt=expect("signed in"))
async def data_page() -> Template:
    """Describe the copy, and offer it."""
    return page("rights/data.html")


@post("/profile/data", guards=[signed_in, recently_proved], opt=expect("signed in"), status_code=200)
async def copy_data(request: VisitorRequest) -> Stream:
    """Send all data about the person."""
    file = await write_copy(_me(request))
    name = f"partage-{paris_day(clock.now()).isoformat()}.zip"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Stream(pieces_of(file), headers=headers, media_type="application/zip")


# Erasing oneself ------------------------------------------------------------------------------------------------------


def _no_staff(request: VisitorRequest) -> None:
    if request.user and request.user.role:
        raise NotAllowed("Staff cannot erase themselves: what they decided names them.")


async def _context(request: VisitorRequest) -> dict[str, Any]:
    return {"outcome": await foresee(_me(request)), "line": request.user.subscriber if request.user else None}


@get("/profile/erase", guards=[signed_in, recently_proved], opt=expect("partner", "subscriber"))
async def erasure_page(request: VisitorRequest) -> Template:
    """Explain what erasing does, also to the balance."""
    _no_staff(request)
    return page("rights/erase.html", error="", form=ErasureForm(), **await _context(request))


@post("/profile/erase", guards=[signed_in, recently_proved], opt=expect("partner", "subscriber"), status_code=200)
async def erase_me(
    request: VisitorRequest, data: Annotated[ErasureForm, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Erase the person; the books keep the pseudonymous line, and the names of staff on their decisions."""
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
async def goodbye_page(request: VisitorRequest) -> Template | Redirect:
    """Confirm the erasure."""
    return see("/") if request.user else page("rights/goodbye.html")


ROUTES = [data_page, copy_data, erasure_page, erase_me, goodbye_page]
