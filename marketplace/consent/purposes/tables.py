"""Columns and constraints of consent: notices by category and purpose, and rows that are only ever added."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, BigSerial, Boolean, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Subscriber


class Purpose(Table, db=DB, tablename="purpose"):
    """A data category for a purpose: what a subscriber consents to or not."""

    personal_data = NOBODYS
    code = Text(primary_key=True)
    """`category.purpose`, such as `presence.statistics`."""
    category = Text()
    use = Text()
    title_fr = Text()
    title_en = Text()
    dpv = Text(default="")
    """Its name in the Data Privacy Vocabulary, one of `consent.vocabulary`; empty: not named yet."""
    one_code_each = Unique([category, use])
    code_is_composed = Check("code = category || '.' || use")
    dpv_is_a_name = Check("dpv ~ '^[A-Za-z]*$'")


class Notice(Table, db=DB, tablename="notice"):
    """One version of the plain-language text shown before consenting to a purpose; never edited."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    purpose = ForeignKey(Purpose, null=False, on_delete=OnDelete.restrict, target_column="code")
    version = Integer()
    text_fr = Text()
    text_en = Text()
    published_at = Timestamptz()
    asks_anew = Boolean(default=False)
    """True: the agreement has changed, so consent given under an earlier version ends when this one is published."""
    one_text_a_version = Unique([purpose, version])
    version_is_positive = Check("version > 0")


class LineKind(Table, db=DB, tablename="line_kind"):
    """A line that is not one adult's; `rules.KINDS` states what its consent needs."""

    personal_data = PersonalData(
        (Of.SUBSCRIBER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="subscriber = me.line"
    )
    subscriber = ForeignKey(
        Subscriber, primary_key=True, null=False, on_delete=OnDelete.restrict, target_column="reference"
    )
    kind = Text()
    """child, business, or shared by several people."""
    stated_at = Timestamptz()
    known_kind = Check("kind IN ('child', 'business', 'shared')")


class ConsentRecord(Table, db=DB, tablename="consent_record"):
    """A consent given or withdrawn at an instant; append-only. A withdrawal ends every earlier consent to its purpose.

    subscriber, purpose and notice are keys, enforced by a trigger that checks a whole COPY at once: foreign keys,
    checked row by row, took half the time of a million records.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,),
        FOR_GOOD,
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="subscriber = me.line AND at > me.since",
    )
    id = BigSerial(primary_key=True)
    subscriber = BigInt()
    purpose = Text()
    notice = UUID(default=None)
    """One of that purpose's."""
    given = Boolean()
    """True: consents from `at` on; false: withdraws from `at` on."""
    at = Timestamptz()
    receipt = UUID(unique=True)
    channel = Text()
    """Where the person gave or withdrew consent, one of `rules.CHANNELS`."""
    covers = Text(null=True, default=None)
    """What a consent covers, as canonical JSON (`consent.switches.rules.Scope`); null: all that the notice covers."""
    known_channel = Check("channel IN ('partage', 'app', 'site', 'shop', 'call_centre', 'letter', 'contract')")
