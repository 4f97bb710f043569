"""A letter as it travels: headers, the text, and the same as HTML, in the language of who reads it.

The same letter is the same bytes each time it is written, so that a second copy is recognised as one. It has no picture,
no script and no link that counts who opens it.
"""

from __future__ import annotations

import uuid
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, formataddr, parseaddr
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.messages.links import link_token
from marketplace.messages.queries import in_words
from marketplace.messages.registry import KINDS
from marketplace.settings import settings
from marketplace.web.i18n import gettext, language, typeset
from marketplace.web.pages import engine

if TYPE_CHECKING:
    from marketplace.identity.addresses import Address
    from marketplace.mail.queries import Content, DueLetter

STOP = "stop mail"
"""What the token of a link is for that stops the mail of a kind."""


class Stop(Struct, frozen=True):
    """Who stops the mail of which kind."""

    person: uuid.UUID
    kind: str


def write_letter(letter: DueLetter, content: Content, to: Address) -> bytes:
    """Return a letter as bytes, ready for SMTP."""
    spoken = language.set(to.language)
    try:
        return _written(letter, content, to)
    finally:
        language.reset(spoken)


def _written(letter: DueLetter, content: Content, to: Address) -> bytes:
    words = in_words(content.kind, content.source_id, content.details, to.language)
    subject, body = (typeset(text) if to.language == "fr" else text for text in (words.subject, words.body))
    site, may_stop = settings().url, KINDS[content.kind].may_stop and letter.person is not None
    shown = {
        "subject": subject,
        "body": body,
        "link": f"{site}/{to.language}{words.path}",
        "choices": f"{site}/{to.language}/inbox/choices" if letter.person else "",
        "stop": stop_link(Stop(letter.person, content.kind), to.language) if may_stop and letter.person else "",
        "sender": settings().seller_name,
    }
    message = EmailMessage(policy=SMTP if to.email.isascii() else SMTPUTF8)
    message["From"] = formataddr(parseaddr(settings().mail_from))
    message["To"] = to.email
    message["Subject"] = " ".join(subject.split())
    message["Date"] = format_datetime(content.created_at)
    message["Message-ID"] = message_id(letter.id)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers it with an absence note
    message["Content-Language"] = to.language
    if shown["stop"]:
        message["List-Unsubscribe"] = f"<{shown['stop']}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    message.set_content(_text(shown), cte="quoted-printable")
    html = engine().engine.get_template("mail/letter.html").render(shown)
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    message.set_boundary(f"=_{letter.id.hex}")
    return message.as_bytes()


def _text(shown: dict[str, str]) -> str:
    """Return the letter as plain text, with the same links as the HTML."""
    parts = [shown["body"], shown["link"], f"-- \n{shown['sender']}"]
    if shown["choices"]:
        parts.append(gettext("Choose what you get by mail:") + f"\n{shown['choices']}")
    if shown["stop"]:
        parts.append(gettext("No more mail like this one:") + f"\n{shown['stop']}")
    return "\n\n".join(parts) + "\n"


def message_id(letter: uuid.UUID) -> str:
    """Return the Message-ID of a letter: the same at every attempt."""
    return f"<{letter}@{parseaddr(settings().mail_from)[1].rpartition('@')[2]}>"


def envelope_sender(letter: uuid.UUID) -> str:
    """Return where a letter comes back to when nobody can deliver it; the address names it, where MAIL_BOUNCES is set."""
    local, _, domain = settings().mail_bounces.rpartition("@")
    return f"{local}+{letter.hex}@{domain}" if local else parseaddr(settings().mail_from)[1]


def stop_link(stop: Stop, in_language: str) -> str:
    """Return the address that stops one kind's mail for one person, without signing in, for good."""
    token = link_token(f"{STOP} {stop.kind}", stop.person)
    return f"{settings().url}/{in_language}/stop-mail/{stop.person.hex}.{stop.kind}.{token}"
