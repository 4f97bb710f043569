"""Read the reports about undelivered letters that mail servers send to MAIL_BOUNCES (RFC 3464)."""

from __future__ import annotations

import email
import email.policy
import re
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

_MESSAGE_ID: Final = re.compile(
    r"^Message-ID:\s*<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@", re.IGNORECASE | re.MULTILINE
)
_VERP: Final = re.compile(r"\+([0-9a-f]{32})@")
_CODE: Final = re.compile(r"\b([45]\d\d)\b")
FAILED: Final = 550


class Bounce(Struct, frozen=True):
    """A letter that could not be delivered, and the code of the reason."""

    letter: uuid.UUID
    code: int
    text: str


def read_bounce(data: bytes) -> Bounce | None:
    """Return the bounce in a report; None if it is no report, or about a delay or somebody else's letter.

    Anybody may write to the address for reports, so a mail that cannot be parsed is no report.
    """
    try:
        report = email.message_from_bytes(data, policy=email.policy.compat32)
        statuses = list(_statuses(report))
    except RecursionError:
        return None
    for fields in statuses:
        if str(fields.get("Action", "")).strip().lower() != "failed":
            continue
        found = _VERP.search(str(report.get("To", ""))) or _MESSAGE_ID.search(data.decode("latin-1"))
        if found is None:
            return None
        diagnostic = str(fields.get("Diagnostic-Code", ""))
        code = _CODE.search(diagnostic)
        text = str(fields.get("Status", "")) or diagnostic
        return Bounce(uuid.UUID(found[1]), int(code[1]) if code else FAILED, text)
    return None


def _statuses(report: Message) -> Iterator[Message]:
    """Yield the fields of each recipient in a report."""
    for part in report.walk():
        if part.get_content_type() == "message/delivery-status":
            payload = part.get_payload()
            yield from (one for one in payload if not isinstance(one, str)) if isinstance(payload, list) else ()
