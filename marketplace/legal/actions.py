"""Asking the operator for help, and answering."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.database import execute, transaction
from marketplace.errors import Conflict
from marketplace.identity.addresses import OPERATOR
from marketplace.identity.guessing import begin_letter
from marketplace.identity.rules import clean_email
from marketplace.legal import rules
from marketplace.legal.tables import HelpRequest
from marketplace.locks import lock
from marketplace.messages.actions import send
from marketplace.messages.kinds import help_requested
from marketplace.messages.rules import Recipient
from marketplace.settings import settings
from marketplace.web.devices import network_of

if TYPE_CHECKING:
    import uuid

    from marketplace.database import Values

KEPT_FOR: Final = dt.timedelta(days=396)
MOST_OPEN: Final = 2000
MOST_OF_ONE: Final = 5
A_DAY: Final = dt.timedelta(days=1)


async def ask(
    question: uuid.UUID, *, email: str, about: str, text: str, person: uuid.UUID | None, address: str = ""
) -> None:
    """Write a question down and notify the operator; the same form again changes nothing.

    address: the network's, of a stranger. Refuses a malformed one, and more in a day than one person, one email of a
    stranger, or all strangers together may ask: who writes under somebody's email keeps nobody who is signed in from
    asking. Refuses more from one network than a quarter of what all strangers may ask: no stranger is all of them.
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
        await send(help_requested.KIND, question, to, about=rules.reference_of(about), id=str(question))


async def note_answered(question: uuid.UUID) -> None:
    """Record that a question was answered; again changes nothing."""
    answered: Values = {HelpRequest.answered_at: clock.now()}
    await HelpRequest.update(answered).where(HelpRequest.id == question, HelpRequest.answered_at.is_null())


async def delete_old_questions() -> int:
    """Delete the questions of 13 months ago, and those of people who are erased; a job. Return how many."""
    return await execute(
        """DELETE FROM question WHERE asked_at < $1
           OR person IS NOT NULL AND NOT EXISTS (SELECT FROM person WHERE person.id = question.person)""",
        clock.now() - KEPT_FOR,
    )


async def delete_questions_of(person: uuid.UUID, email: str | None) -> None:
    """Delete what a person asked, signed in or as a stranger from their address, if they showed that it is theirs."""
    await HelpRequest.delete().where(HelpRequest.person == person)
    if email:
        await HelpRequest.delete().where(HelpRequest.person.is_null(), HelpRequest.email == email)
