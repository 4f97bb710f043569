"""Asking the operator for help, and answering."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.core.web.devices import network_of
from marketplace.people.identity.addresses import OPERATOR
from marketplace.people.identity.guessing import begin_letter
from marketplace.people.identity.rules import clean_email
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.subscribers.legal import rules
from marketplace.subscribers.legal.tables import HelpRequest
from marketplace.subscribers.message_kinds import HELP_REQUESTED

if TYPE_CHECKING:
    import uuid

    from marketplace.core.database import Values

KEPT_FOR: Final = dt.timedelta(days=396)
MOST_OPEN: Final = 2000
MOST_OF_ONE: Final = 5
A_DAY: Final = dt.timedelta(days=1)


async def ask(
    question: uuid.UUID, *, email: str, about: str, text: str, person: uuid.UUID | None, address: str = ""
) -> None:
    """Store a question and notify the operator; the same form a second time changes nothing.

    address: a stranger's network address. Refuses a malformed question, and more in a day than one person, one email of
    a stranger, or all strangers together may ask: a stranger who uses somebody's email does not use up the limit of a
    signed-in person. Refuses more from one network than a quarter of the limit for all strangers: no single stranger
    uses it up.
    """
    email, text, about = clean_email(email), rules.clean_question(text), rules.clean_about(about)
    now = clock.now()
    async with transaction():
        await lock("questions")
        if await HelpRequest.exists().where(HelpRequest.id == question):
            return
        today, of_strangers = HelpRequest.asked_at > now - A_DAY, HelpRequest.person.is_null()
        theirs = HelpRequest.person == person if person else of_strangers & (HelpRequest.email == email)
        if await HelpRequest.count().where(today, theirs) >= MOST_OF_ONE or (
            person is None and await HelpRequest.count().where(today, of_strangers) >= MOST_OPEN
        ):
            raise Conflict("There are too many questions today; write to us by mail, or ask tomorrow.")
        if person is None:
            await begin_letter(f"{OPERATOR} from {network_of(address)}", "", "questions")
        await HelpRequest.insert(
            HelpRequest(id=question, person=person, email=email, about=about, text=text, asked_at=now)
        )
        to = [Recipient("role", "steward")]
        if settings().contact_email:
            to.append(Recipient("address", OPERATOR))
        await send(HELP_REQUESTED, question, to, about=rules.reference_of(about), id=str(question))


async def note_answered(question: uuid.UUID) -> None:
    """Record that a question was answered; a second call changes nothing."""
    answered: Values = {HelpRequest.answered_at: clock.now()}
    await HelpRequest.update(answered).where(HelpRequest.id == question, HelpRequest.answered_at.is_null())


async def delete_old_questions() -> int:
    """Delete the questions older than 13 months, and those of erased people; a job. Return how many."""
    return await execute(
        """DELETE FROM question WHERE asked_at < $1
           OR person IS NOT NULL AND NOT EXISTS (SELECT FROM person WHERE person.id = question.person)""",
        clock.now() - KEPT_FOR,
    )


async def delete_questions_of(person: uuid.UUID, email: str | None) -> None:
    """Delete a person's questions, asked while signed in, or from their address if they proved that it is theirs."""
    await HelpRequest.delete().where(HelpRequest.person == person)
    if email:
        await HelpRequest.delete().where(HelpRequest.person.is_null(), HelpRequest.email == email)
