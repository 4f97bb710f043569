"""Finance's pages of files: exports of the books to ask for and to download, and any partner's invoices."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Stream, Template
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import download, page, see
from marketplace.finance.bookkeeping.export_files import open_export, request_export
from marketplace.finance.bookkeeping.exports.registry import EXPORT_FORMATS
from marketplace.finance.bookkeeping.queries import list_exports
from marketplace.money.ledger.base_pages import READERS
from marketplace.people.identity.guards import ActorRequest, expect, recently_proved
from marketplace.sales.orders.invoices import get_invoice_file


class ExportForm(Struct):
    """Which books, as what; the form's id is the file's, so that a double click is one file."""

    format: str
    first_day: str
    last_day: str
    form_id: uuid.UUID


@get("/finance/exports", guards=READERS, opt=expect("finance", "auditor"))
async def show_exports() -> Template:
    """Show the files asked for, how far each has come, and the form that asks for another."""
    today = paris_day(clock.now())
    return page(
        "bookkeeping/exports.html",
        exports=await list_exports(),
        formats=EXPORT_FORMATS,
        titles=[(code, each.title) for code, each in EXPORT_FORMATS.items()],
        first_day=today.replace(month=1, day=1),
        last_day=today.replace(month=12, day=31),
    )


@post("/finance/exports", guards=[*READERS, recently_proved], opt=expect("finance", "auditor"), status_code=303)
async def create_export(
    request: ActorRequest, data: Annotated[ExportForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Ask for a file of the books."""
    await request_export(
        data.form_id,
        request.user,
        file_format=data.format,
        first_day=_day(data.first_day),
        last_day=_day(data.last_day),
    )
    return see("/finance/exports")


@get(
    "/finance/exports/{export:uuid}", guards=[*READERS, recently_proved], opt=expect("finance", "auditor", stranger=200)
)
async def export_file(export: FromPath[uuid.UUID]) -> Stream:
    """Hand out a finished file, a piece at a time."""
    name, _, pieces = await open_export(export)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Stream(pieces, headers=headers, media_type="text/plain")


@get("/finance/invoices/{invoice:uuid}", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def invoice_file(invoice: FromPath[uuid.UUID]) -> Response[bytes]:
    """Hand out any partner's invoice or credit note."""
    number, pdf = await get_invoice_file(invoice)
    return download(f"{number}.pdf", pdf)


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Invalid("That is not a day: {day}.", day=text) from None


ROUTES = [show_exports, create_export, export_file, invoice_file]
