"""Which texts exist, what the operator has yet to state before people come, and which questions are valid; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from marketplace.core.errors import Invalid

if TYPE_CHECKING:
    from marketplace.core.settings import Settings

TEXTS: Final = ("notice", "terms", "privacy", "cookies")
"""The texts, by the last part of their address; a file `<text>.<fr or en>.md` of the operator's replaces ours."""
LONGEST_QUESTION: Final = 4000
LONGEST_ABOUT: Final = 80
_REFERENCE: Final = re.compile(r"[A-Z]{1,3}-\d{4}-\d{6,9}|0|[1-9]\d{0,18}", re.ASCII)
"""A document's number, or a line."""
_ABOUT: Final = re.compile(r"[\w .:/#-]{0,80}")


def missing(settings: Settings) -> list[str]:
    """Return the settings that the legal pages need and that are not set, in the order of the pages."""
    needed = {
        "CONTACT_EMAIL": settings.contact_email,
        "CONTACT_PHONE": settings.contact_phone,
        "LEGAL_DIRECTOR": settings.legal_director,
        "LEGAL_HOST": settings.legal_host,
        "DPO_CONTACT": settings.dpo_contact,
    }
    return [name for name, value in needed.items() if not value]


def clean_question(text: str) -> str:
    """Return a question as it is stored; refuses an empty one and one that is too long."""
    cleaned = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if not 1 <= len(cleaned) <= LONGEST_QUESTION:
        raise Invalid("Write your question, in {most} characters at most.", most=LONGEST_QUESTION, field="text")
    return cleaned


def clean_about(text: str) -> str:
    """Return the subject of a question, such as an order's number; empty where it is not a number of ours."""
    cleaned = " ".join(text.split())[:LONGEST_ABOUT]
    return cleaned if _ABOUT.fullmatch(cleaned) else ""


def reference_of(about: str) -> str:
    """Return the subject of a question for a message: a number of ours, or else a dash, since people type names too."""
    return about if _REFERENCE.fullmatch(about) else "–"
