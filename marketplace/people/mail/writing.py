"""A letter as bytes: headers, plain text and HTML, in the reader's language.

The same letter is the same bytes each time it is written, so a second copy is recognised. It has no picture, no script
and no link that counts who opens it.
"""

from __future__ import annotations

import uuid
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, formataddr, parseaddr
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core.settings import settings
from marketplace.core.web.i18n import gettext, language, typeset
from marketplace.core.web.pages import engine
from marketplace.people.messages.links import link_token
from marketplace.people.messages.queries import in_words
from marketplace.people.messages.registry import KINDS

if TYPE_CHECKING:
    from marketplace.people.identity.addresses import Address
    from marketplace.people.mail.queries import Content, DueLetter

STOP = "stop mail"
"""The use of a link's token that stops a kind's mail."""


class Stop(Struct, frozen=True):
    """A person, and the kind of mail to stop."""

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
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic replies
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
    """Return where undeliverable mail comes back to; with MAIL_BOUNCES set, the address names the letter."""
    local, _, domain = settings().mail_bounces.rpartition("@")
    return f"{local}+{letter.hex}@{domain}" if local else parseaddr(settings().mail_from)[1]


def stop_link(stop: Stop, in_language: str) -> str:
    """Return the address that stops one kind's mail for one person for good, without signing in."""
    token = link_token(f"{STOP} {stop.kind}", stop.person)
    return f"{settings().url}/{in_language}/stop-mail/{stop.person.hex}.{stop.kind}.{token}"
