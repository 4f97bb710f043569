"""Where letters go: an SMTP server, or a folder in which the demo's letters can be read.

A transport first addresses a letter and then hands it over, so the caller can record in between that the letter may be
accepted from now on. An error shows which of the two steps failed, and whether another attempt is useful.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from marketplace.core.settings import settings
from marketplace.people.mail.rules import is_permanent

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator

CONNECT_SECONDS: Final = 10
ACCEPTED: Final = 250
BEGIN: Final = 354
CLOSING: Final = 421
"""The server closes the connection with this code instead of an answer."""


class NoServer(Exception):  # noqa: N818 (an outcome, as the others)
    """Nothing was handed over, and no letter will be now: no server, no answer, or a refusal of all letters."""


class Declined(Exception):  # noqa: N818 (an outcome)
    """The server declined this letter, for now or for good."""

    def __init__(self, code: int, text: str, *, of_recipient: bool) -> None:
        """Store the answer, and whether it is about the recipient."""
        super().__init__(f"{code} {text}")
        self.code, self.text, self.of_recipient = code, text, of_recipient


class AnswerLost(Exception):  # noqa: N818 (an outcome)
    """The letter was handed over and the answer was lost: the server may have accepted it."""


class Transport(Protocol):
    """A way to send letters."""

    async def address(self, sender: str, to: str) -> None:
        """Begin a letter; raises NoServer or Declined. Nothing is accepted before `hand_over`."""

    async def hand_over(self, letter: uuid.UUID, content: bytes) -> None:
        """Hand the begun letter over; raises Declined, or AnswerLost."""


class Smtp:
    """A connection to the operator's SMTP server, opened at the first letter."""

    def __init__(self, address: str, seconds: float) -> None:
        """Remember where the server is; seconds: how long an answer may take."""
        parts = urlsplit(address)
        self._seconds, self._is_used, self._is_begun = seconds, False, False
        self._client = aiosmtplib.SMTP(
            hostname=parts.hostname,
            port=parts.port,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            use_tls=parts.scheme == "smtps",
            start_tls=False if parts.scheme == "smtps" else True if parts.username else None,
            timeout=seconds,
        )

    async def reach(self) -> None:
        """Connect and sign in; raises NoServer."""
        try:
            await self._connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NoServer(str(error)) from error

    async def address(self, sender: str, to: str) -> None:
        """Connect if needed, name sender and recipient, and ask to begin."""
        try:
            await self._connect()
            options = [] if to.isascii() else ["SMTPUTF8"]
            if options and not self._client.supports_extension("smtputf8"):
                raise Declined(553, "5.6.7 the server accepts no such address", of_recipient=True)
            await self._client.mail(sender, options=options, encoding="utf-8")
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NoServer(str(error)) from error
        try:
            await self._client.rcpt(to, encoding="utf-8")
            answer = await self._client.execute_command(b"DATA")
        except aiosmtplib.SMTPResponseException as error:
            if error.code == CLOSING:
                raise NoServer(str(error)) from error
            raise Declined(error.code, error.message, of_recipient=True) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NoServer(str(error)) from error
        if answer.code != BEGIN:
            raise Declined(answer.code, answer.message, of_recipient=False)
        self._is_begun = True

    async def _connect(self) -> None:
        """Make sure there is a connection on which no letter has begun."""
        if self._is_begun:
            self._client.close()
        self._is_begun = False
        if not self._client.is_connected:
            await self._client.connect(timeout=min(CONNECT_SECONDS, self._seconds))
        elif self._is_used:
            await self._client.rset()
        self._is_used = True

    async def hand_over(self, letter: uuid.UUID, content: bytes) -> None:
        """Send the letter, whose lines end with CRLF; its content has the Message-ID already."""
        del letter
        self._is_begun = False
        protocol = self._client.protocol
        try:  # a line that begins with a dot gets a second one: RFC 5321 4.5.2
            if protocol is None:
                raise AnswerLost("the connection was lost before the letter")
            protocol.write(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
            answer = await protocol.read_response(timeout=self._seconds)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._client.close()
            raise AnswerLost(str(error)) from error
        if answer.code != ACCEPTED:
            raise Declined(answer.code, answer.message, of_recipient=False)

    async def close(self) -> None:
        """Say goodbye, if there is a connection."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            if self._client.is_connected:
                await self._client.quit()


class Folder:
    """A folder of letters, one file each: for the demo, and for the operator's own mail program."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder, which is made at the first letter."""
        self.folder = folder

    async def address(self, sender: str, to: str) -> None:
        """Accept every address."""

    async def hand_over(self, letter: uuid.UUID, content: bytes) -> None:
        """Write the letter's file, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f".{letter}"
        unfinished.write_bytes(content)
        unfinished.replace(self.folder / f"{letter}.eml")


def folder_of(address: str) -> Path | None:
    """Return the folder that a `file://` address names, or None for a server's."""
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Transport]:
    """Yield what SMTP_URL names, and close it at the end."""
    if folder := folder_of(settings().smtp_url):
        yield Folder(folder)
        return
    server = Smtp(settings().smtp_url, settings().mail_timeout_seconds)
    try:
        yield server
    finally:
        await server.close()


async def find_fault() -> str:
    """Return in one line why the server of SMTP_URL would send nothing for us, or ''; a folder is always fine."""
    if not settings().smtp_url or folder_of(settings().smtp_url):
        return ""
    try:
        server = Smtp(settings().smtp_url, min(CONNECT_SECONDS, settings().mail_timeout_seconds))
        await server.reach()
        await server.close()
    except (NoServer, ValueError) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return ""


def is_for_good(declined: Declined) -> bool:
    """Return whether another attempt is useless."""
    return is_permanent(declined.code)
