"""Sending documents through the approved platform, and reading their statuses.

Every file is written to the outbox with the change that requires it, sent under its id outside any transaction, and
then recorded. A process that dies between sending and recording finds the file at the platform by that id, and sends
nothing twice. Statuses are read in any order and recorded once.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.core.settings import settings
from marketplace.core.web.formats import paris_day
from marketplace.finance.einvoicing import platform
from marketplace.finance.einvoicing.cdar import Party, Receipt, read_statuses, write_receipt
from marketplace.finance.einvoicing.codes import FAILED, PAYMENT_RECEIVED, REFUSED, REJECTED, is_progress
from marketplace.finance.einvoicing.parts import queue_part_receipts
from marketplace.finance.einvoicing.queries import SQL, StateRow, find_state
from marketplace.finance.einvoicing.reporting import make_reports
from marketplace.finance.einvoicing.tables import EinvoicingState, Flow, LifeCycleEvent, Transmission
from marketplace.finance.einvoicing.waiting import forget_said
from marketplace.money.ledger.base_pages import midnight
from marketplace.people.audit_trail.actions import note_action
from marketplace.sales.orders.corrections import correct_invoice
from marketplace.sales.orders.electronic_addresses import write_lines
from marketplace.sales.orders.invoices import get_invoice_file

if TYPE_CHECKING:
    import httpx
    from piccolo.query import Select

    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor

log = structlog.get_logger(__name__)
BATCH_SIZE: Final = 200
ASKED_AGAIN_AFTER, KNOWN_FOR = dt.timedelta(hours=1), dt.timedelta(days=7)
"""How long an unknown address is not looked up again, and a known one stays valid."""
LEASE: Final = dt.timedelta(minutes=2)
IDLE_SECONDS: Final = 1
"""How long a connection stays open between two requests: a server that closes an idle one would fail the next."""
LONGEST_WAIT: Final = dt.timedelta(hours=1)


class PartnerToLookUp(Struct, frozen=True):
    """A French partner whose address is unknown or old: the SIREN is the legal one, inside its VAT number."""

    partner: uuid.UUID
    siren: str
    address: str | None
    """The line used until now."""


class ToSend(Struct, frozen=True):
    """A document whose transmission has no file yet: `document` is its JSON, `address` its destination."""

    transmission: uuid.UUID
    invoice: uuid.UUID
    number: str
    address: str
    document: bytes


class ToReport(Struct, frozen=True):
    """A settled document whose settlement must be reported to the buyer's platform by the status 212.

    Amounts in cents.
    """

    transmission: uuid.UUID
    state: str
    number: str
    kind: str
    issued_at: dt.datetime
    settled_at: dt.datetime
    total_minor: int
    address: str
    document: bytes


class ClaimedFile(Struct, frozen=True):
    """A file of the outbox that this process sends; `body` None: the invoice's own file."""

    id: uuid.UUID
    kind: str
    transmission: uuid.UUID | None
    invoice: uuid.UUID | None
    name: str
    body: bytes | None
    attempts: int


class KnownTransmission(Struct, frozen=True):
    """A transmission and its state."""

    id: uuid.UUID
    state: str
    code: int | None


class DecidedFile(Struct, frozen=True):
    """A file that the platform decided about."""

    transmission: uuid.UUID | None
    kind: str


# ------------------------------------------------------------------ the job
async def exchange_einvoices() -> int:
    """Look up addresses, write the required files, send them, and read their statuses; a job.

    Return how many files left.
    """
    import httpx  # noqa: PLC0415 (start-up time)

    if not settings().einvoicing_flow_url:
        return 0
    state = await _begin()
    sent, fault = 0, ""
    async with httpx.AsyncClient(
        timeout=platform.TIMEOUT_SECONDS, limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS)
    ) as client:
        try:
            await platform.sign_in(client)
            await look_up_addresses(client)
            await queue_documents()
            sent = await send_flows(client)
            await receive_changes(client, state.read_until)
            await queue_receipts()
            await make_reports()
            sent += await send_flows(client)
        except platform.SilentPlatformError as error:
            fault = str(error)[:200]
            log.warning("the e-invoicing platform does not answer", error=fault)
    outcome: Values = {EinvoicingState.error: fault}
    await EinvoicingState.update(outcome).where(EinvoicingState.id == 1)
    return sent


async def _begin() -> StateRow:
    """Return the state of the exchange; the first call records when e-invoicing begins."""
    if found := await find_state():
        return found
    from_at = midnight(settings().einvoicing_from)
    assert from_at is not None, "settings say a day"
    new = EinvoicingState(id=1, from_at=from_at, read_until=from_at)
    await EinvoicingState.insert(new).on_conflict(action="DO NOTHING")
    found = await find_state()
    assert found, "it was written above"
    return found


# ------------------------------------------------------------------ addresses
async def look_up_addresses(client: httpx.AsyncClient) -> int:
    """Ask the annuaire where French partners receive invoices; return the number of partners."""
    now = clock.now()
    given = (now - ASKED_AGAIN_AFTER, now - KNOWN_FOR, BATCH_SIZE)
    partners = await fetch_rows(PartnerToLookUp, SQL["list_to_look_up"], *given)
    for partner in partners:
        lines = await platform.list_lines(client, partner.siren)
        address = partner.address if partner.address in lines else platform.choose_line(partner.siren, lines)
        await write_lines(partner.partner, partner.siren, lines=lines, address=address)
    return len(partners)


async def choose_address(transmission: uuid.UUID, line: str, actor: Actor) -> None:
    """Send a waiting document, and its partner's later ones, to one of the partner's several lines in the annuaire."""
    async with transaction():
        found = existing(
            await fetch_row(
                WaitingPartner,
                """SELECT electronic_address.partner, invoice.number, electronic_address.siren, electronic_address.lines
               FROM transmission
               JOIN invoice ON invoice.id = transmission.invoice
               JOIN purchase_order ON purchase_order.id = invoice.purchase_order
               JOIN electronic_address ON electronic_address.partner = purchase_order.partner
               WHERE transmission.id = $1 AND transmission.state = 'waiting'""",
                transmission,
            ),
            NotFound("There is no such document, or it is not waiting for an address."),
        )
        chosen = platform.check_line(line, found.lines)
        await write_lines(found.partner, found.siren, lines=found.lines.split(), address=chosen)
        await note_action(actor, "electronic_address_chosen", f"invoice {found.number}", after={"address": chosen})
    await queue_documents()


class WaitingPartner(Struct, frozen=True):
    """The partner of a waiting document, with its lines in the annuaire."""

    partner: uuid.UUID
    number: str
    siren: str
    lines: str


# ------------------------------------------------------------------ what must leave
async def queue_documents() -> int:
    """Create the transmission of every document to a French company, and write the files if the address is known."""
    queued = 0
    async with transaction():
        await execute(SQL["make_transmissions"], clock.now())
    while waiting := await fetch_rows(ToSend, SQL["list_to_send"], BATCH_SIZE):
        for one in waiting:
            body = await asyncio.to_thread(_file_for, one)
            await _queue(one.transmission, "invoice", f"{one.number}.pdf", body, state="waiting", address=one.address)
        queued += len(waiting)
    return queued


def _file_for(one: ToSend) -> bytes | None:
    """Return the file for the buyer's address; None if the document already has it: then its own file is sent."""
    from marketplace.sales.orders.invoice_pdf import draw  # noqa: PLC0415 (two seconds that a site which starts need not wait for)

    document = msgspec.json.decode(one.document)
    buyer = document["buyer"]
    if buyer.get("electronic_address") == one.address:
        return None
    return draw({**document, "buyer": {**buyer, "electronic_address": one.address}})


async def _queue(
    transmission: uuid.UUID, kind: str, name: str, body: bytes | None, *, state: str, address: str | None = None
) -> None:
    """Write a file of a transmission to the outbox, once, unless its state no longer requires it."""
    now = clock.now()
    async with transaction():
        known = await fetch_row(KnownTransmission, _locked(transmission))
        if known is None or known.state != state:
            return
        new = Flow(
            id=uuid.uuid4(), kind=kind, transmission=transmission, name=name, body=body, next_at=now, created_at=now
        )
        await Flow.insert(new).on_conflict(action="DO NOTHING", target=(Flow.transmission, Flow.kind))
        if address:
            queued: Values = {Transmission.state: "queued", Transmission.address: address}
            await Transmission.update(queued).where(Transmission.id == transmission, Transmission.state == "waiting")


async def queue_receipts() -> int:
    """Write the status 212 of every deposited document that settled, or of each part, with the amount by VAT rate."""
    written, now = 0, clock.now()
    while found := await fetch_rows(ToReport, SQL["list_receipts_to_write"], BATCH_SIZE):
        for one in found:
            body = write_receipt(_receipt(one), now)
            await _queue(one.transmission, "receipt", f"{one.number}-{PAYMENT_RECEIVED}.xml", body, state=one.state)
        written += len(found)
    written += await queue_part_receipts()
    await forget_said()
    return written


def _receipt(one: ToReport) -> Receipt:
    document = msgspec.json.decode(one.document)
    seller, buyer = document["seller"], document["buyer"]
    return Receipt(
        id=f"{one.number}-{PAYMENT_RECEIVED}-{one.transmission.hex[:8]}",
        number=one.number,
        kind=one.kind,
        issued_on=paris_day(one.issued_at),
        received_on=paris_day(one.settled_at),
        vat_basis_points=document["vat_basis_points"],
        total_minor=one.total_minor,
        currency=document["currency"],
        seller=Party(seller["name"], seller["siren"]),
        buyer=Party(buyer["name"], buyer["vat_number"][-9:], one.address),
    )


# ------------------------------------------------------------------ sending
async def send_flows(client: httpx.AsyncClient) -> int:
    """Send the files that are due, one after the other; return how many the platform accepted."""
    sent = 0
    while flow := await _claim():
        sent += await _send(client, flow)
    return sent


async def _claim() -> ClaimedFile | None:
    """Claim the file that is due longest until a lease ends, and count the attempt before it is made."""
    now = clock.now()
    return await fetch_row(ClaimedFile, SQL["claim_flow"], now, now + LEASE)


async def _send(client: httpx.AsyncClient, flow: ClaimedFile) -> int:
    try:
        found = await platform.find_flow(client, flow.id) if flow.attempts > 1 else None
        if found is None:
            body = flow.body
            if body is None:
                assert flow.invoice is not None, "a file of its own is an invoice's"
                _, body = await get_invoice_file(flow.invoice)
            found = await platform.submit_flow(client, flow.id, flow.kind, flow.name, body)
    except platform.RefusedFileError as error:
        await _end(flow, str(error))
        return 0
    except platform.SilentPlatformError as error:
        wait = min(LONGEST_WAIT, dt.timedelta(seconds=5 * 2 ** min(flow.attempts, 10)))
        later: Values = {Flow.next_at: clock.now() + wait, Flow.error: str(error)[:1000]}
        await Flow.update(later).where(Flow.id == flow.id, Flow.state == "pending")
        raise
    done: Values = {Flow.state: "submitted", Flow.platform_id: found, Flow.submitted_at: clock.now(), Flow.error: ""}
    await Flow.update(done).where(Flow.id == flow.id, Flow.state == "pending")
    return 1


async def _end(flow: ClaimedFile, error: str) -> None:
    """Record that the platform refused a file; for an invoice's it is a rejection."""
    now = clock.now()
    async with transaction():
        refused: Values = {Flow.state: "refused", Flow.error: error[:1000], Flow.answered_at: now}
        await Flow.update(refused).where(Flow.id == flow.id, Flow.state == "pending")
        if flow.kind == "invoice" and flow.transmission is not None:
            await _note(flow.transmission, f"sent {flow.id}", REJECTED, now, error.partition(":")[0], error)


# ------------------------------------------------------------------ what came of it
async def receive_changes(client: httpx.AsyncClient, since: dt.datetime) -> int:
    """Read the changes at the platform since an instant, in pages; return how many were new."""
    new = 0
    while changes := await platform.list_changes(client, since):
        for change in changes:
            new += await (_answer(change) if change.is_ours else _receive(client, change))
        latest = changes[-1].updated_at
        until: Values = {EinvoicingState.read_until: latest}
        await EinvoicingState.update(until).where(EinvoicingState.id == 1, EinvoicingState.read_until < latest)
        if len(changes) < platform.MOST or latest <= since:
            break
        since = latest
    return new


async def _answer(change: platform.Change) -> int:
    """Record the platform's decision about a file of ours."""
    if change.answer not in ("Ok", "Error"):
        return 0
    now, is_refused = clock.now(), change.answer == "Error"
    error = f"{change.reason_code}: {change.reason}" if is_refused else ""
    async with transaction():
        flow = await fetch_row(
            DecidedFile,
            """UPDATE einvoicing_flow SET state = $2, answered_at = $3, error = $4
               WHERE platform_id = $1 AND state = 'submitted' RETURNING transmission, kind""",
            change.id,
            "refused" if is_refused else "accepted",
            now,
            error[:1000],
        )
        if flow and is_refused and flow.kind == "invoice" and flow.transmission is not None:
            await _note(flow.transmission, f"answer {change.id}", REJECTED, now, change.reason_code, change.reason)
    return flow is not None


async def _receive(client: httpx.AsyncClient, change: platform.Change) -> int:
    """Read a status that the platform has for us, once; a status that names no document of ours is logged."""
    if await LifeCycleEvent.exists().where(LifeCycleEvent.source == change.id):
        return 0
    found = 0
    for place, status in enumerate(read_statuses(await platform.fetch_file(client, change.id))):
        source = change.id if not place else f"{change.id} {place}"
        async with transaction():
            its = await fetch_scalar(
                uuid.UUID,
                "SELECT transmission.id FROM transmission JOIN invoice ON invoice.id = invoice WHERE invoice.number = $1",
                status.number,
            )
            if its is None:
                log.warning("a status of a document that is not ours", number=status.number, flow=change.id)
            else:
                await _note(its, source, status.code, status.at, status.reason_code, status.reason)
                found += 1
    return found


async def _note(  # noqa: PLR0917 (one status, as it was said)
    transmission: uuid.UUID, source: str, code: int, at: dt.datetime, reason_code: str, reason: str
) -> None:
    """Record a status, and move the transmission to its state; joins a transaction."""
    now = clock.now()
    known = await fetch_row(KnownTransmission, _locked(transmission))
    assert known, "it was found a moment ago, and none is deleted"
    event = LifeCycleEvent(
        transmission=transmission,
        source=source,
        code=code,
        at=at,
        reason_code=reason_code[:200],
        reason=reason[:1000],
        received_at=now,
    )
    written = await LifeCycleEvent.insert(event).on_conflict(action="DO NOTHING").returning(LifeCycleEvent.id)
    if not written or known.state == "corrected" or not is_progress(code, known.code):
        return
    state = "rejected" if code in FAILED else "refused" if code == REFUSED else "deposited"
    await execute(
        """UPDATE transmission SET state = $2, code = $3,
                  deposited_at = CASE WHEN $3::int IN ($5, $6) THEN deposited_at ELSE coalesce(deposited_at, $4) END
           WHERE id = $1""",
        transmission,
        state,
        code,
        now,
        *FAILED,
    )


def _locked(transmission: uuid.UUID) -> Select[Any]:
    return select(KnownTransmission, Transmission).where(Transmission.id == transmission).lock_rows("UPDATE")


# ------------------------------------------------------------------ mending
async def mend(transmission: uuid.UUID, actor: Actor, *, reason: str, form_id: uuid.UUID) -> None:
    """Cancel a rejected or refused invoice by a credit note and issue it again.

    Both numbers are new, nothing is edited.

    The credit note of a rejected invoice is not sent: the buyer never received the invoice.
    """
    async with transaction():
        known = existing(
            await fetch_row(KnownTransmission, _locked(transmission)), NotFound("There is no such document.")
        )
        if known.state == "corrected":
            return
        if known.state not in ("rejected", "refused"):
            raise Conflict("Only a rejected or refused invoice is corrected.")
        invoice = await fetch_scalar(
            uuid.UUID, Transmission.select(Transmission.invoice).where(Transmission.id == transmission)
        )
        assert invoice, "a transmission is of an invoice"
        await correct_invoice(invoice, actor, reason=reason, correction=form_id)
        await execute(SQL["make_transmissions"], clock.now())
        await execute(SQL["end_corrected"], transmission, known.state == "rejected")
