"""Scenes of mail for `tests.support.dying`: a letter on its way to a server that another process serves."""

from __future__ import annotations

import datetime as dt
import uuid

from marketplace import clock
from marketplace.database import execute, fetch_scalar, transaction
from marketplace.mail.actions import send_mail
from marketplace.messages.actions import send
from marketplace.messages.kinds import partner_vetted
from marketplace.messages.rules import Recipient
from tests.support.dying import Scene


def address_of(name: str) -> str:
    return f"{name}@kill.example"


async def write(name: str) -> None:
    """Add somebody and write them a message."""
    person = uuid.uuid4()
    await execute(
        """INSERT INTO person (id, email, name, password_hash, language, staff_role, created_at)
           VALUES ($1, $2, $3, 'x', 'en', 'steward', $4)""",
        person,
        address_of(name),
        name,
        clock.now(),
    )
    async with transaction():
        await send(partner_vetted.KIND, name, [Recipient("person", str(person))], company="Atelier")


async def post(_: str) -> None:
    await send_mail()


async def deliver(name: str) -> None:
    """Send what is left, and refuse a letter that did not end as sent."""
    await send_mail()
    ended = "SELECT ended FROM letter JOIN message ON message.id = message WHERE source_id = $1"
    assert await fetch_scalar(str, ended, name) == "sent"


FILES = ("marketplace/mail/actions.py", "marketplace/mail/transports.py", "marketplace/messages/actions.py")
SCENES = {"letter": Scene(write, post, deliver, FILES, later=dt.timedelta(minutes=30), apart=dt.timedelta(hours=1))}
