"""Reading the audit trail: narrowed and page by page, with names, and with links to what a line is about."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from marketplace.core.database import fetch_column, fetch_rows
from marketplace.core.paging import PAGE_SIZE
from marketplace.finance.bookkeeping.queries import SQL
from marketplace.people.identity.queries import NamedPerson

if TYPE_CHECKING:
    from collections.abc import Iterable

RUNS: Final = "draft prepare approve cancel ask_to_send send"
ASSIGNED_TO: Final = "assigned_to"
"""The field that says who was asked to see to something."""
DECIDED: Final = ("proposed", "approved", "refused")
PLACES: Final = {
    "order": "/finance/orders/{}",
    "line": "/finance/bank/lines/{}",
    "entry": "/finance/journal/{}",
    "command": "/finance/commands",
    "partner": "/partners/{}",
    "offer": "/finance/business/roles",
}
"""Where a subject is shown that begins with what it is: `order …`."""
PAGES: Final = {
    **{f"{verb}_payout_run": "/finance/payout-runs/{}" for verb in RUNS.split()},
    "verify_payees": "/finance/payout-runs/{}",
    **{f"payee_names_{verb}": "/finance/payout-runs/{}" for verb in DECIDED},
    "undo_payee_names": "/finance/payout-runs/{}",
    "ask_to_draft_payout_run": "/finance/payout-runs",
    "fetch_payout_file": "/finance/payout-runs/{}",
    "record_bank_answer": "/finance/payout-runs/{}",
    "export_books": "/finance/exports",
    **dict.fromkeys(("period_close_proposed", "period_close_refused", "period_closed"), "/finance/periods"),
    **dict.fromkeys(("year_close_proposed", "year_close_refused", "year_closed"), "/finance/years"),
    "exception_assigned": "/finance/exceptions",
    "exception_commented": "/finance/exceptions",
    **{f"write_off_{verb}": "/finance/decisions?kind=write_off" for verb in DECIDED},
    **{f"category_account_{verb}": "/finance/categories" for verb in DECIDED},
    "bank_statement_imported": "/finance/bank",
    "bank_notice_imported": "/finance/bank",
    **{f"bank_rule_{verb}": "/finance/bank/rules" for verb in (*DECIDED, "ended")},
    "electronic_address_chosen": "/finance/einvoicing",
    **dict.fromkeys(
        ("association_listed", "benefit_listed", "rewards_moved", "gifts_paid", "billing_answered", "farm_decided"),
        "/finance/rewards",
    ),
    "begin_incident": "/staff/incidents/{}",
    "decide_incident_step": "/staff/incidents/{}",
    "consents_imported": "/steward/purposes",
    "request_answered": "/steward/requests/{}",
    "sector_stated": "/partners/{}",
    "zone_table_named": "/steward/zones/{}",
    "map_layer_added": "/steward/map-layers",
    "map_layer_removed": "/steward/map-layers",
    "dataset_defined": "/steward/datasets/{}",
    "cadence_set": "/steward/datasets/{}",
    "purpose_defined": "/steward/purposes/{}",
    "purpose_named": "/steward/purposes/{}",
    "notice_published": "/steward/purposes/{}",
    "terms_stated": "/steward/terms",
    "market_defined": "/steward/sheets/{}",
    "sheet_stated": "/steward/sheets/{}",
    "volume_law_stated": "/steward/volume",
    "offer_made": "/steward/offers/{}",
    "offer_withdrawn": "/steward/offers/{}",
    "private_offer_made": "/partners/{}",
    "private_offer_withdrawn": "/partners/{}",
    "release_published": "/steward/releases/{}",
    "release_recalled": "/steward/releases/{}",
    "trial_allowed": "/partners/{}/trial",
    "partner_vetted": "/partners/{}",
    "partner_refused": "/partners/{}",
}
"""Where what a verb was done to is shown."""


class TrailLine(Struct, frozen=True):
    """A line of the trail; `name` is the person's, None for a job and once they are erased; `before`, `after` are JSON objects."""

    id: int
    at: dt.datetime
    person: uuid.UUID | None
    name: str | None
    verb: str
    subject: str
    reason: str
    before: str
    after: str
    area: str

    @property
    def was(self) -> dict[str, Any]:
        """Return what changed, as it was."""
        return dict(msgspec.json.decode(self.before))

    @property
    def became(self) -> dict[str, Any]:
        """Return what changed, as it became."""
        return dict(msgspec.json.decode(self.after))

    @property
    def paths(self) -> list[str]:
        """Return where what the line is about may be shown, the best page first; nowhere for what has no page."""
        kind, _, rest = self.subject.partition(" ")
        if self.area == "request":
            return _above(self.became.get("route", ""), self.subject)
        if kind in PLACES and rest:
            return [PLACES[kind].format(rest)]
        return [PAGES[self.verb].format(self.subject)] if self.verb in PAGES else []


def _above(route: str, subject: str) -> list[str]:
    """Return the path that was asked and those it lies under, down to one part: the page of a form is one of them."""
    ids = iter(subject.split())
    path = route.partition(" ")[2]
    parts = [next(ids, "") if part.startswith("{") else part for part in path.strip("/").split("/")]
    return ["/" + "/".join(parts[:length]) for length in range(len(parts), 0, -1)]


class Trail(Struct, frozen=True):
    """Lines of the trail, newest first, and the id that the next page begins before; None on the last page."""

    rows: Sequence[TrailLine]
    older: int | None


class SubjectName(Struct, frozen=True):
    """What people call something that a line is about; `at` is when a payout run was drafted or a release begins."""

    id: uuid.UUID
    kind: str
    name_fr: str
    name_en: str
    at: dt.datetime | None


async def list_actions(
    before: int | None = None,
    *,
    area: str = "decision",
    person: uuid.UUID | None = None,
    verb: str = "",
    subject: str = "",
    text: str = "",
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    limit: int = PAGE_SIZE,
) -> Trail:
    """Return a page of the trail, newest first; `since` is included, `until` excluded; `text` is in the subject or the reason.

    before: the id that the page begins before; None for the first page. area: '' for all of it. subject: exactly.
    """
    values = (before, area, person, verb, subject, text, since, until, limit + 1)
    rows = await fetch_rows(TrailLine, SQL["list_actions"], *values)
    more = len(rows) > limit
    return Trail(rows[:limit], rows[limit - 1].id if more else None)


async def name_subjects(rows: Iterable[TrailLine]) -> dict[str, SubjectName]:
    """Return what people call what these lines are about, and who was asked, by the id as their lines write it."""
    ids = []
    for row in rows:
        for text in (row.subject.rpartition(" ")[2], str(row.became.get(ASSIGNED_TO, ""))):
            with contextlib.suppress(ValueError):
                ids.append(uuid.UUID(text))
    return {str(found.id): found for found in await fetch_rows(SubjectName, SQL["name_subjects"], ids)}


async def list_verbs(area: str = "decision") -> Sequence[str]:
    """Return the verbs that the trail has, in alphabetical order; of one area unless it is ''."""
    return await fetch_column(str, SQL["list_verbs"], area)


async def list_staff() -> Sequence[tuple[str, str]]:
    """Return the id and name of everyone of the staff who has a line in the trail, by name."""
    return [(str(person.id), person.name) for person in await fetch_rows(NamedPerson, SQL["list_staff_in_trail"])]


def shown_at(paths: Iterable[str], templates: Iterable[str]) -> str:
    """Return the first of these paths that a template such as `/finance/orders/{order_id:uuid}` fits, or ''."""
    known = [template.strip("/").split("/") for template in templates]
    for path in paths:
        parts = path.strip("/").split("/")
        if any(_fits(parts, template) for template in known):
            return path
    return ""


def _fits(parts: list[str], template: list[str]) -> bool:
    return len(parts) == len(template) and all(
        part and (part == stated or stated.startswith("{")) for part, stated in zip(parts, template, strict=True)
    )
