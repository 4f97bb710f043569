"""Columns and constraints of questions to the operator."""

from __future__ import annotations

from piccolo.columns import UUID, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import Ends, Erasure, of_a_person


class HelpRequest(Table, db=DB, tablename="question"):
    """A question to the operator; staff answer by mail."""

    personal_data = of_a_person("13 months", erasure=Erasure.EXPIRES, ends=Ends("asked_at", 396))
    id = UUID(primary_key=True)
    person = UUID(null=True, default=None)
    """The person who asked; null for a stranger. Opaque in this package."""
    email = Text()
    """The email address for the answer."""
    about = Text()
    """The subject: an order's number, a line's reference, or empty."""
    text = Text()
    asked_at = Timestamptz()
    answered_at = Timestamptz(null=True, default=None)
    text_is_bounded = Check("length(text) BETWEEN 1 AND 4000 AND length(about) <= 80 AND length(email) <= 254")
