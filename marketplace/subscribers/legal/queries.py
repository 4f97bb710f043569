"""What staff see about questions."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.subscribers.legal.tables import HelpRequest

SQL: Final = load_statements(__package__)


class HelpRequestRow(Struct, frozen=True):
    """A question as staff see it."""

    id: uuid.UUID
    person: uuid.UUID | None
    email: str
    about: str
    text: str
    asked_at: dt.datetime
    answered_at: dt.datetime | None


async def list_questions(page: int) -> Paged[HelpRequestRow]:
    """Return one page of questions: unanswered ones first, the latest first within each."""
    return paged(await fetch_rows(HelpRequestRow, SQL["list_questions"], PAGE_SIZE + 1, offset(page)), page)


async def get_question(question: uuid.UUID) -> HelpRequestRow:
    """Return a question; refuses NotFound."""
    return existing(
        await fetch_row(HelpRequestRow, select(HelpRequestRow, HelpRequest).where(HelpRequest.id == question)),
        NotFound("There is nothing here."),
    )
