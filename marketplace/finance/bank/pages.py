"""The bank's pages: import of statements, their lines, and one line's page, to match, split or open it again."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.errors import Invalid
from marketplace.core.web.buttons import Explained  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.formats import paris_day, read_cents
from marketplace.core.web.pages import PageNumber, see
from marketplace.core.web.sorting import Columns, euros, list_file
from marketplace.finance.bank import queries
from marketplace.finance.bank.actions import LARGEST_FILE_BYTES, ImportResult, import_bank_statement
from marketplace.finance.bank.camt import is_notice, read_notices
from marketplace.finance.bank.candidates import MOST_PARTS, list_for_line, settle_line
from marketplace.finance.bank.matching import FEE_ACCOUNTS, match_stripe_payouts, undo_matches
from marketplace.finance.bank.notices import import_notices, list_awaited, list_parts
from marketplace.finance.bank.rules import shown_name
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text, books_page
from marketplace.money.ledger.chart import TITLES
from marketplace.money.ledger.entry_kinds import MATCHES
from marketplace.money.ledger.queries import list_entries_of
from marketplace.people.identity.guards import ActorRequest, expect

PARTS = 4
"""Parts that the form of a split shows."""
STATEMENT_COLUMNS: Final[Columns[queries.StatementLine]] = {
    "Statement": lambda row: row.statement_id,
    "From": lambda row: row.opened_on,
    "To": lambda row: row.closed_on,
    "Opens at": lambda row: euros(row.opening_minor),
    "Closes at": lambda row: euros(row.closing_minor),
    "Lines": lambda row: row.line_count,
    "Explained": lambda row: row.explained,
    "Imported": lambda row: paris_day(row.imported_at),
}


@get("/finance/bank", guards=READERS, opt=expect("finance", "auditor"))
async def bank_page(  # noqa: PLR0917 (what the address says)
    request: ActorRequest,
    page_number: PageNumber = 1,
    new: Text = "",
    lines: Text = "",
    known: Text = "",
    announced: Text = "",
    iban: Text = "",
    sort: Text = "",
) -> Template:
    """Show our bank accounts, statements, gaps between them and announcements; after an import, its result."""
    brought, notice = (new, lines, known), (announced, known)
    return books_page(
        "bank/bank.html",
        shown_name=shown_name,
        accounts=await queries.list_accounts(),
        statements=await queries.list_statements(page_number, iban, sort),
        iban=iban,
        sort=sort,
        gaps=await queries.list_gaps(),
        imported=_numbers(brought),
        announced=_numbers(notice),
        awaited=await list_awaited(),
        may_act=request.user.role == "finance",
    )


@get("/finance/bank/statements.csv", guards=READERS, opt=expect("finance", "auditor"))
async def statements_file(iban: Text = "", sort: Text = "") -> Response[bytes]:
    """Return the list of statements as a file, filtered and sorted as it is shown."""
    return list_file("statements.csv", STATEMENT_COLUMNS, await queries.list_all_statements(iban, sort))


@post("/finance/bank", guards=CLERKS, opt=expect("finance"), request_max_body_size=LARGEST_FILE_BYTES + 10_000)
async def import_statement(request: ActorRequest) -> Redirect:
    """Import a file, and match the lines that leave no doubt."""
    form, data = await sent_file(request)
    person = request.user.person
    if is_notice(data):
        return see(what_it_brought(await import_notices(read_notices(data), data, person=person)))
    imported = await import_bank_statement(data, person=person, new_account=form.get("new_account") == "yes")
    await match_stripe_payouts()
    return see(what_it_brought(imported))


async def sent_file(request: ActorRequest) -> tuple[Any, bytes]:
    """Return a form and its uploaded bank file; refuses, in a sentence, a form without one."""
    try:
        form: Any = await request.form()
    except (ClientException, ValueError):
        raise Invalid("The file could not be read; send it again.") from None
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Invalid("Choose the bank's file first.")
    return form, await file.read()


def what_it_brought(imported: ImportResult) -> str:
    """Return the address of the page with an import's result."""
    if imported.announced is not None:
        return f"/finance/bank?announced={imported.announced}&known={imported.known}"
    return f"/finance/bank?new={imported.statements}&lines={imported.lines}&known={imported.known}"


def _numbers(texts: tuple[str, ...]) -> list[int] | None:
    """Return the numbers in an address; None if a value is not a number."""
    return [int(text) for text in texts] if all(text.isascii() and text.isdigit() for text in texts) else None


@get("/finance/bank/statements/{statement_id:int}", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def statement_page(statement_id: FromPath[int], page_number: PageNumber = 1) -> Template:
    """Show one statement and its lines."""
    statement = await queries.get_statement(statement_id)
    return books_page(
        "bank/statement.html",
        statement=statement,
        lines=await queries.list_lines(statement.id, page_number),
        shown_name=shown_name,
    )


@get("/finance/bank/lines/{line_id:int}", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def line_page(request: ActorRequest, line_id: FromPath[int]) -> Template:
    """Show one line: its explanation, or its candidates, with forms to match, split and undo."""
    whole = await queries.get_line(line_id)
    sources = [("bank_line", str(line_id))] + [(kind, str(match.id)) for match in whole.matches for kind in MATCHES]
    return books_page(
        "bank/line.html",
        line=whole.line,
        matches=whole.matches,
        announced=await list_parts(line_id),
        is_explained=whole.is_explained,
        candidates=[] if whole.is_explained else await list_for_line(whole.line),
        entries=await list_entries_of(sources),
        parts=PARTS,
        accounts=[(code, TITLES[code]) for code in FEE_ACCOUNTS],
        titles=TITLES,
        may_act=request.user.role == "finance",
        exception_path=f"/finance/exception?why=line_unexplained&subject={line_id}",
    )


@post("/finance/bank/lines/{line_id:int}/split", guards=CLERKS, opt=expect("finance", stranger=200))
async def split(request: ActorRequest, line_id: FromPath[int]) -> Redirect:
    """Explain a line by several parts that add up to it exactly; a part without an amount gets the rest."""
    form: Any = await request.form()
    line = (await queries.get_line(line_id)).line
    parts: list[tuple[str, str, int]] = []
    rest: int | None = None
    for number in range(1, MOST_PARTS + 1):
        what, target = str(form.get(f"kind{number}", "")), str(form.get(f"target{number}", "")).strip()
        amount = str(form.get(f"amount{number}", "")).strip()
        if not what or (what in ("order", "payout") and not target):
            continue
        kind, key = ("fee", what) if what.isdigit() else (what, target)
        if not amount and rest is not None:
            raise Invalid("Only one part may leave its amount to what is left.")
        if not amount:
            rest = len(parts)
        parts.append((kind, key, read_cents(amount, signed=True) if amount else 0))
    if rest is not None:
        kind, key, _ = parts[rest]
        parts[rest] = (kind, key, line.amount_minor - sum(part[2] for part in parts))
    await settle_line(line_id, parts, request.user, reason=str(form.get("reason", ""))[:2000])
    return see(f"/finance/bank/lines/{line_id}")


@post("/finance/bank/lines/{line_id:int}/undo", guards=CLERKS, opt=expect("finance", stranger=200))
async def undo(request: ActorRequest, line_id: FromPath[int], data: Explained) -> Redirect:
    """Open a line again."""
    await undo_matches((await queries.get_line(line_id)).line.id, request.user, reason=data.reason)
    return see(f"/finance/bank/lines/{line_id}")


ROUTES = [bank_page, statements_file, import_statement, statement_page, line_page, split, undo]
