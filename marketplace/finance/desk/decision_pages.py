"""Decisions of two people: what waits for a second person, what was decided, the same as a file, and the decision itself."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template
from litestar.status_codes import HTTP_308_PERMANENT_REDIRECT
from msgspec import Struct

from marketplace.core.paging import PAGE_SIZE, offset, paged
from marketplace.core.web.formats import paris_day
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import PageNumber, in_words, see, url
from marketplace.core.web.sorting import Columns, euros, list_file
from marketplace.finance.proposals import PROPOSALS
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text, books_page
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS
from marketplace.people.identity.guards import ActorRequest, expect, recently_proved
from marketplace.people.proposals.actions import decide as decide_proposal
from marketplace.people.proposals.queries import ProposalRow, list_proposals, signs_of_proposers

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

PATH: Final = "/finance/decisions"
MOVED: Final = {
    "/finance/credit/decided": f"{PATH}?kind=credit",
    "/finance/credit/decided.csv": f"{PATH}.csv?kind=credit",
    "/finance/categories.csv": f"{PATH}.csv?kind=category",
    "/finance/write-offs": f"{PATH}?kind=write_off",
    "/finance/write-offs.csv": f"{PATH}.csv?kind=write_off",
    "/finance/search": "/find",
}
"""Addresses that a person may have kept → where what they showed is now."""


class DecisionForm(Struct):
    """Whether the document with that hash is approved; anything else than `approve` refuses it."""

    form_id: uuid.UUID
    decision: str
    sha256: str


class Line(Struct, frozen=True):
    """A proposal as the list shows it: what it is in words, what it is about, and what its document says."""

    row: ProposalRow
    what: str
    which: str
    path: str
    facts: list[tuple[str, str]]


FILE_COLUMNS: Final[Columns[Line]] = {
    "What": lambda line: line.what,
    "Which": lambda line: line.which,
    "Amount": lambda line: "" if line.row.amount_minor is None else euros(line.row.amount_minor),
    "Proposal": lambda line: "; ".join(f"{name}: {value}" for name, value in line.facts),
    "Reason": lambda line: line.row.reason,
    "Proposed by": lambda line: line.row.proposer,
    "Proposed": lambda line: paris_day(line.row.proposed_at),
    "Decided by": lambda line: line.row.decider or "",
    "Decided": lambda line: paris_day(line.row.decided_at) if line.row.decided_at else "",
    "State": lambda line: "" if line.row.approved is None else gettext("approved" if line.row.approved else "refused"),
}


def _line(row: ProposalRow) -> Line:
    kind = PROPOSALS[row.kind]
    document = kind.read(row.document)
    return Line(row, in_words(kind.words), kind.named(document), kind.place(document), kind.facts(document))


@get(PATH, guards=READERS, opt=expect("finance", "auditor"))
async def decisions(
    request: ActorRequest, which: Text = "", kind: Text = "", sort: Text = "", page_number: PageNumber = 1
) -> Template:
    """Show what two people decide, what waits first; `which` and `kind` narrow it."""
    rows = await list_proposals(which, kind, sort, limit=PAGE_SIZE + 1, skipped=offset(page_number))
    return books_page(
        "desk/decisions.html",
        lines=paged([_line(row) for row in rows], page_number),
        which=which,
        kind=kind,
        sort=sort,
        kinds=[(code, in_words(one.words)) for code, one in PROPOSALS.items()],
        me=request.user.person if request.user.role == "finance" else None,
        signs=await signs_of_proposers(request.user.person, rows),
    )


@get(f"{PATH}.csv", guards=READERS, opt=expect("finance", "auditor"))
async def decisions_file(which: Text = "", kind: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out the same as a file for a spreadsheet."""
    rows = await list_proposals(which, kind, sort, limit=LARGEST_FILE_ROWS)
    return list_file("decisions.csv", FILE_COLUMNS, map(_line, rows))


@post(
    PATH + "/{proposal:uuid}", guards=[*CLERKS, recently_proved], opt=expect("finance", stranger=200), status_code=303
)
async def decide(
    request: ActorRequest,
    proposal: FromPath[uuid.UUID],
    data: Annotated[DecisionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Approve the document that someone else proposed, or refuse it."""
    approve = data.decision == "approve"
    return see(await decide_proposal(PROPOSALS, proposal, request.user, sha256=data.sha256, approve=approve))


def _moved(address: str, now: str) -> HTTPRouteHandler:
    """Return the route of an address that a person may have kept: it leads to where the list is now."""

    @get(address, guards=READERS, opt=expect("finance", "auditor"))
    async def moved(request: Request[Any, Any, Any]) -> Redirect:
        asked = urlencode(list(request.query_params.multi_items()))
        joined = "&" if "?" in now else "?"
        return Redirect(url(f"{now}{joined}{asked}" if asked else now), status_code=HTTP_308_PERMANENT_REDIRECT)

    return moved


ROUTES = [decisions, decisions_file, decide, *(_moved(address, now) for address, now in MOVED.items())]
