"""The waiting work of this district, and the registry of all that waits for staff."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from marketplace.catalogue import task_kinds as catalogue
from marketplace.core.web.pages import in_words
from marketplace.core.words import Words
from marketplace.datasets import task_kinds as datasets
from marketplace.finance.bank.queries import list_gaps
from marketplace.finance.bookkeeping.months import CLOSE_MONTH
from marketplace.finance.proposals import PROPOSALS
from marketplace.finance.reconciliation.assignments import list_assignees
from marketplace.finance.reconciliation.base_pages import why
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.finance.reconciliation.queue_pages import path_of
from marketplace.money.ledger.periods import bounds, list_open
from marketplace.people import task_kinds as people
from marketplace.people.proposals.queries import list_proposals
from marketplace.people.tasks.queries import list_waiting
from marketplace.people.tasks.rules import FINANCE, Task, TaskKind, Tasks, by_code
from marketplace.sales import task_kinds as sales
from marketplace.subscribers import task_kinds as subscribers

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor
    from marketplace.people.tasks.queries import Waiting


async def _list_exceptions(_: dt.datetime) -> Tasks:
    """Return the heaviest exceptions, as the last look found them; those that somebody proposed to write off wait as that proposal."""
    queue = await list_exceptions(kept=True)
    unmatched = [row for row in queue.rows if row.proposal is None]
    assigned = await list_assignees(unmatched)
    tasks = []
    for row in unmatched:
        assignee = assigned.get((row.why, row.subject))
        tasks.append(
            Task(
                row.reference,
                row.reference,
                row.amount_minor,
                row.at,
                path_of(row.why, row.subject),
                only_by=assignee.person if assignee else None,
                with_name=assignee.name if assignee else "",
                sentence=why(row.why, row.detail),
            )
        )
    proposed = len(queue.rows) - len(unmatched)
    return Tasks(tasks, sum(of_reason for _, of_reason in queue.reasons) - proposed)


async def _list_decisions(_: dt.datetime) -> Tasks:
    """Return what waits for another person than its proposer."""
    tasks = []
    for row in await list_proposals("waiting"):
        kind = PROPOSALS[row.kind]
        document = kind.read(row.document)
        name = kind.named(document)
        tasks.append(
            Task(
                name,
                name,
                row.amount_minor,
                row.proposed_at,
                kind.place(document),
                not_by=row.proposed_by,
                with_name=row.proposer,
                sentence=in_words(kind.words),
            )
        )
    return Tasks(tasks, len(tasks))


async def _list_months(now: dt.datetime) -> Tasks:
    """Return the months that have ended, and that nobody proposed to close."""
    proposed = {row.subject for row in await list_proposals("waiting", CLOSE_MONTH.code)}
    months = [(f"{month:%Y-%m}", bounds(month)[1]) for month in await list_open(now)]
    tasks = [Task(name, name, None, ended, CLOSE_MONTH.path) for name, ended in months if name not in proposed]
    return Tasks(tasks, len(tasks))


async def _list_gaps(_: dt.datetime) -> Tasks:
    """Return the gaps between bank statements, each as old as the day on which the statement after it opens."""
    tasks = [
        Task(
            gap.iban,
            gap.iban,
            gap.missing_minor,
            dt.datetime.combine(gap.opened_on, dt.time(), dt.UTC),
            "/finance/bank",
        )
        for gap in await list_gaps()
    ]
    return Tasks(tasks, len(tasks))


EXCEPTION: Final = TaskKind("exception", Words("Exception"), FINANCE, _list_exceptions)
DECISION: Final = TaskKind("decision", Words("Decision of a second person"), FINANCE, _list_decisions)
MONTH: Final = TaskKind("month", CLOSE_MONTH.words, FINANCE, _list_months)
BANK_GAP: Final = TaskKind("bank_gap", Words("Gap between bank statements"), FINANCE, _list_gaps)

KINDS: Final = (EXCEPTION, DECISION, MONTH, BANK_GAP)
TASKS: Final = by_code(*people.KINDS, *datasets.KINDS, *catalogue.KINDS, *sales.KINDS, *subscribers.KINDS, *KINDS)
"""Every kind by its code."""


async def list_work(actor: Actor) -> list[Waiting]:
    """Return what waits for a person of staff, a kind an entry; auditors see what waits for finance."""
    role = "steward" if actor.role == "steward" else "finance"
    return await list_waiting(TASKS.values(), role, actor.person)
