"""Preview of a bank's file before the import: its result, and the columns of a CSV."""

from __future__ import annotations

import uuid
from typing import Annotated

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.errors import Invalid
from marketplace.core.web.formats import read_cents
from marketplace.core.web.pages import see
from marketplace.finance.bank import previews
from marketplace.finance.bank.actions import LARGEST_FILE_BYTES
from marketplace.finance.bank.csv_files import COLUMNS, DAY_FORMS, Mapping
from marketplace.finance.bank.matching import match_stripe_payouts
from marketplace.finance.bank.pages import sent_file, what_it_brought
from marketplace.finance.bank.rules import shown_name
from marketplace.money.ledger.base_pages import CLERKS, Text, books_page
from marketplace.people.identity.guards import ActorRequest, expect

LINES_SHOWN = 100


class ColumnsForm(Struct):
    """The columns by use; empty: missing."""

    iban: str
    booked: str
    days: str
    amount: str = ""
    debit: str = ""
    credit: str = ""
    value: str = ""
    words: str = ""
    name: str = ""
    reference: str = ""
    balance: str = ""


class ImportForm(Struct):
    """The confirmations with an import."""

    new_account: str = ""
    opening: str = ""


@post(
    "/finance/bank/uploads",
    guards=CLERKS,
    opt=expect("finance"),
    request_max_body_size=LARGEST_FILE_BYTES + 10_000,
    status_code=303,
)
async def upload(request: ActorRequest) -> Redirect:
    """Store a file, and redirect to its preview."""
    form, data = await sent_file(request)
    try:
        identifier = uuid.UUID(str(form.get("form_id", "")))
    except ValueError:
        raise Invalid("The file could not be read; send it again.") from None
    assert request.user.person
    await previews.keep_upload(identifier, data, request.user.person)
    ours = "?ours=yes" if form.get("new_account") == "yes" else ""
    return see(f"/finance/bank/uploads/{identifier}{ours}")


@get("/finance/bank/uploads/{upload_id:uuid}", guards=CLERKS, opt=expect("finance", stranger=404))
async def preview(
    request: ActorRequest, upload_id: FromPath[uuid.UUID], columns: Text = "", ours: Text = ""
) -> Template:
    """Show the preview of a stored file; `ours`: its sender confirmed that its account is one of ours."""
    assert request.user.person
    return books_page(
        "bank/preview.html",
        shown_name=shown_name,
        upload=upload_id,
        found=await previews.preview(upload_id, request.user.person),
        columns=COLUMNS,
        day_forms=list(DAY_FORMS),
        asks_columns=bool(columns),
        is_ours=bool(ours),
        shown=LINES_SHOWN,
    )


@post(
    "/finance/bank/uploads/{upload_id:uuid}/columns",
    guards=CLERKS,
    opt=expect("finance", stranger=404),
    status_code=303,
)
async def write_columns(
    request: ActorRequest,
    upload_id: FromPath[uuid.UUID],
    data: Annotated[ColumnsForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Store the columns of an account's CSV."""
    assert request.user.person
    mapping = Mapping(**{column: getattr(data, column) for column in (*COLUMNS, "days")})
    await previews.write_mapping(upload_id, request.user.person, data.iban, mapping)
    return see(f"/finance/bank/uploads/{upload_id}")


@post(
    "/finance/bank/uploads/{upload_id:uuid}/import", guards=CLERKS, opt=expect("finance", stranger=404), status_code=303
)
async def import_upload(
    request: ActorRequest,
    upload_id: FromPath[uuid.UUID],
    data: Annotated[ImportForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Import a stored file, and match the lines that leave no doubt."""
    assert request.user.person
    imported = await previews.import_upload(
        upload_id,
        request.user.person,
        new_account=data.new_account == "yes",
        opening_minor=read_cents(data.opening, signed=True) if data.opening.strip() else None,
    )
    await match_stripe_payouts()
    return see(what_it_brought(imported))


ROUTES = [upload, preview, write_columns, import_upload]
