"""The last letter to an erased person: its address is sealed in the letter's own row until it was sent."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from marketplace.core import clock
from marketplace.core.database import is_in_transaction
from marketplace.core.settings import settings
from marketplace.people.identity import addresses, vault
from marketplace.people.identity.addresses import Address
from marketplace.people.mail.tables import DeadAddress, Letter, MailStop
from marketplace.people.messages.actions import send
from marketplace.people.messages.queries import claim_of
from marketplace.people.messages.rules import Recipient

if TYPE_CHECKING:
    from marketplace.people.mail.queries import DueLetter
    from marketplace.people.messages.rules import MessageKind

NO_LINE: Final = -1
"""Replaces the line that sealed rows are bound to: the letter's id is enough."""
TABLE: Final = "letter"


async def write_farewell(kind: MessageKind, person: uuid.UUID) -> None:
    """Write the last message to a person, and its letter, inside the transaction that erases them."""
    assert is_in_transaction(), "a farewell is written in the transaction that erases"
    letter, address = uuid.uuid4(), await addresses.find_address(person)
    await send(kind, letter, [Recipient("address", str(letter))])
    message = await claim_of(kind.code, str(letter))
    if address is None or not settings().smtp_url or message is None:
        return
    content = {"email": address.email, "language": address.language}
    key_id, sealed = vault.seal(content, letter, NO_LINE, table=TABLE)
    now = clock.now()
    new = Letter(id=letter, message=message, person=None, created_at=now, next_at=now, sealed_to=sealed, key_id=key_id)
    await Letter.insert(new)


async def delete_mail_of(person: uuid.UUID) -> None:
    """Delete the letters to a person, their choices, and the record that their address receives nothing."""
    for table in (Letter, MailStop, DeadAddress):
        await table.delete().where(table.person == person)


def address_of(letter: DueLetter) -> Address | None:
    """Return a farewell's address; None if no key of ours opens it."""
    assert letter.sealed_to is not None
    assert letter.key_id is not None
    content = vault.find_content(letter.key_id, letter.sealed_to, letter.id, NO_LINE, table=TABLE)
    return Address(content["email"], content["language"]) if content else None
