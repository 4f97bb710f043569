"""A real SMTP server on a port of its own, which a test makes slow, full or unwilling; letters are kept as they came."""

from __future__ import annotations

import contextlib
import email
import email.policy
import os
import threading
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

from marketplace.database import execute
from marketplace.messages.kinds import confirm_address
from marketplace.settings import settings
from tests.marketplace.identity.site import make_partner
from tests.support.ports import free_port

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator
    from email.message import EmailMessage


class PostOffice:
    """What the server does with each letter; an answer set here is given in place of its own."""

    def __init__(self) -> None:
        """Accept everything."""
        self.letters: list[tuple[str, str, EmailMessage]] = []
        """Envelope sender, recipient, letter; without …"""
        self.confirmations: list[tuple[str, str, EmailMessage]] = []
        """… those that ask to confirm an address, which everybody gets who is added."""
        self.to_sender = self.to_recipient = self.to_letter = ""
        self.hangs = threading.Event()
        """Set: a letter is accepted, and its answer never comes."""
        self.port = 0

    async def handle_MAIL(self, _: Any, __: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 (aiosmtpd's name)
        if self.to_sender:
            return self.to_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if self.to_recipient:
            return self.to_recipient
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: Any, _: Any, envelope: Any) -> str:  # noqa: N802
        if self.to_letter:
            return self.to_letter
        letter: Any = email.message_from_bytes(envelope.content, policy=email.policy.default)
        confirms = letter["Subject"] in {confirm_address.KIND.subject.fr, confirm_address.KIND.subject.en}
        (self.confirmations if confirms else self.letters).extend(
            (envelope.mail_from, to, letter) for to in envelope.rcpt_tos
        )
        if self.hangs.is_set():
            server.transport.abort()
        return "250 2.0.0 OK"

    def ids(self) -> list[str]:
        """Return the Message-IDs of the letters that were accepted, in their order."""
        return [letter["Message-ID"] for _, _, letter in self.letters]


async def make_known_partner(company: str = "Atelier", email: str = "claire@atelier.example") -> uuid.UUID:
    """Add a partner whose letter to confirm their address went out before."""
    partner = await make_partner(company, email)
    await execute("DELETE FROM message_to_mail")
    return partner


@contextlib.contextmanager
def open_post_office() -> Iterator[PostOffice]:
    """Serve, and let the settings name the server; a timeout is a second."""
    office = PostOffice()
    office.port = free_port()
    controller = Controller(office, hostname="127.0.0.1", port=office.port)
    controller.start()
    os.environ |= {
        "SMTP_URL": f"smtp://127.0.0.1:{office.port}",
        "MAIL_FROM": "Partage <partage@operator.example>",
        "MAIL_BOUNCES": "bounces@operator.example",
        "MAIL_TIMEOUT_SECONDS": "20",
    }
    settings.cache_clear()
    try:
        yield office
    finally:
        controller.stop()
