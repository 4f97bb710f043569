"""Pages of documents on their way: finance's list and one document, its possible corrections, and UBL on request."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.errors import Invalid, NotFound
from marketplace.core.web import formats
from marketplace.core.web.buttons import Explained  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.formats import paris_day
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import PageNumber, download, in_words, see
from marketplace.core.web.sorting import Columns, euros, list_file
from marketplace.finance.einvoicing import actions, queries
from marketplace.finance.einvoicing.codes import REASONS, STATUSES
from marketplace.finance.einvoicing.duplicates import draw_duplicate
from marketplace.finance.einvoicing.lists import list_all_transmissions, list_transmissions
from marketplace.finance.einvoicing.months import list_shown_months
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text, books_page
from marketplace.people.identity.guards import ActorRequest, expect, partner
from marketplace.sales.orders.invoice_xml import ubl

if TYPE_CHECKING:
    from marketplace.finance.einvoicing.queries import TransmissionRow

STATES: Final = {
    "waiting": "No address yet",
    "queued": "Being sent",
    "deposited": "Has left",
    "rejected": "Rejected by the platform",
    "refused": "Refused",
    "corrected": "Corrected",
}
"""The state of a document, in words."""
STAYS: Final = "Need not leave"
"""The words about a credit note whose invoice never arrived."""
FILE_COLUMNS: Final[Columns[TransmissionRow]] = {
    "Document": lambda row: row.number,
    "Date": lambda row: paris_day(row.issued_at),
    "Partner": lambda row: row.company,
    "Address": lambda row: row.address or "",
    "State": lambda row: gettext(STAYS if (row.kind, row.state) == ("credit_note", "corrected") else STATES[row.state]),
    "Status": lambda row: status_label(row.code) if row.code else "",
    "Amount": lambda row: euros(row.total_minor),
}


class AddressForm(Struct):
    """The line of the annuaire for a partner's documents."""

    line: str
    form_id: uuid.UUID


def status_label(code: int | None) -> str:
    """Return the name of a status; a status outside our list keeps its number."""
    if code is None:
        return "–"
    words = STATUSES.get(code)
    return f"{code} · {in_words(words)}" if words else str(code)


def reason_label(codes: str) -> str:
    """Return the reasons of a status in words; a reason outside our list as its code."""
    known = [(code, REASONS.get(code)) for code in codes.split(", ") if code]
    return ", ".join(f"{in_words(words)} ({code})" if words else code for code, words in known)


@get("/finance/einvoicing", guards=READERS, opt=expect("finance", "auditor"))
async def documents(show: Text = "", sort: Text = "", page_number: PageNumber = 1) -> Template:
    """Show the documents on their way, each month's VAT in the books and at the tax authority, and the reports."""
    months, summed_at = await list_shown_months()
    return books_page(
        "einvoicing/documents.html",
        exchange=await queries.find_state(),
        rows=await list_transmissions(page_number, _known(show), sort),
        chosen=show,
        sort=sort,
        states=STATES,
        months=months,
        summed_at=summed_at,
        reports=await queries.list_reports(),
        status_label=status_label,
        month_of=formats.month,
    )


@get("/finance/einvoicing.csv", guards=READERS, opt=expect("finance", "auditor"))
async def documents_file(show: Text = "", sort: Text = "") -> Response[bytes]:
    """Return the documents on their way as a spreadsheet's file, filtered and sorted like their page."""
    return list_file("einvoices.csv", FILE_COLUMNS, await list_all_transmissions(_known(show), sort))


def _known(show: str) -> str:
    if show and show not in STATES:
        raise Invalid("There is no such list: {show}.", show=show)
    return show


@get("/finance/einvoicing/{transmission:uuid}", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def document(request: ActorRequest, transmission: FromPath[uuid.UUID]) -> Template:
    """Show one document on its way: its statuses, its files, and its possible corrections."""
    return books_page(
        "einvoicing/document.html",
        it=await queries.get_transmission(transmission),
        events=await queries.list_events(transmission),
        flows=await queries.list_flows(transmission),
        status_label=status_label,
        reason_label=reason_label,
        may_act=request.user.role == "finance",
    )


@post(
    "/finance/einvoicing/{transmission:uuid}/address",
    guards=CLERKS,
    opt=expect("finance", stranger=200),
    status_code=303,
)
async def choose_address(
    request: ActorRequest,
    transmission: FromPath[uuid.UUID],
    data: Annotated[AddressForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Choose the line of the annuaire for a partner's documents."""
    await actions.choose_address(transmission, data.line, request.user)
    return see(f"/finance/einvoicing/{transmission}")


@post(
    "/finance/einvoicing/{transmission:uuid}/mend", guards=CLERKS, opt=expect("finance", stranger=200), status_code=303
)
async def mend(
    request: ActorRequest,
    transmission: FromPath[uuid.UUID],
    data: Explained,
) -> Redirect:
    """Cancel a rejected or refused invoice and issue it again."""
    await actions.mend(transmission, request.user, reason=data.reason, form_id=data.form_id)
    return see(f"/finance/einvoicing/{transmission}")


@get("/invoices/{invoice:uuid}/ubl", guards=[partner], opt=expect("partner", stranger=404))
async def own_ubl(request: ActorRequest, invoice: FromPath[uuid.UUID]) -> Response[bytes]:
    """Return one of the partner's own invoices or credit notes as UBL."""
    assert request.user.partner
    return await _ubl(invoice, request.user.partner)


@get("/finance/invoices/{invoice:uuid}/ubl", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def any_ubl(invoice: FromPath[uuid.UUID]) -> Response[bytes]:
    """Return any partner's invoice or credit note as UBL."""
    return await _ubl(invoice, None)


@get("/finance/duplicate", guards=READERS, opt=expect("finance", "auditor"))
async def duplicate(order: Text = "") -> Response[bytes]:
    """Return the duplicate of the invoice of a written-off order, marked as unpaid."""
    return await _duplicate(order, None)


@get("/to-pay/duplicate", guards=[partner], opt=expect("partner"))
async def own_duplicate(request: ActorRequest, order: Text = "") -> Response[bytes]:
    """Return the duplicate of the unpaid invoice of the partner's own order, while it is written off."""
    assert request.user.partner
    return await _duplicate(order, request.user.partner)


async def _duplicate(order: str, of: uuid.UUID | None) -> Response[bytes]:
    try:
        number, pdf = await draw_duplicate(uuid.UUID(order), of)
    except ValueError:
        raise NotFound("There is no such order.") from None
    return download(f"{number}-duplicata.pdf", pdf)


async def _ubl(invoice: uuid.UUID, of: uuid.UUID | None) -> Response[bytes]:
    found = await queries.get_document(invoice, of)
    return download(f"{found.number}.xml", ubl(msgspec.json.decode(found.document)))


ROUTES = [documents, documents_file, document, choose_address, mend, own_ubl, any_ubl, duplicate, own_duplicate]
