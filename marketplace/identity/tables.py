"""Columns and constraints of who is who. A person signs in; what they may do comes from the partner, line or role behind them."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, BigSerial, Boolean, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.personal_data import EVERYBODY, FOR_GOOD, NOBODYS, Ends, Erasure, Of, PersonalData, of_a_person


class Partner(Table, db=DB, tablename="partner"):
    """A company that buys; it may buy once a steward has vetted it."""

    personal_data = PersonalData((Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.KEPT, find="id = me.partner")
    id = UUID(primary_key=True)
    company = Text()
    country = Text()
    """ISO 3166-1 alpha-2."""
    vat_number = Text(default="")
    """Compact, with its country prefix; empty outside the EU."""
    vat_confirmed_at = Timestamptz(null=True, default=None)
    """When VIES confirmed the number; null: unverified, and VAT is due."""
    vat_checked_at = Timestamptz(null=True, default=None)
    """When VIES was last asked."""
    vat_answer = Text(null=True, default=None)
    """VIES's own word, such as VALID, INVALID or MS_UNAVAILABLE; UNREACHABLE when it did not answer."""
    signed_up_at = Timestamptz()
    vetted_at = Timestamptz(null=True, default=None)
    vetted_by = Text(null=True, default=None)
    refused_reason = Text(null=True, default=None)
    company_is_named = Check("length(company) BETWEEN 1 AND 200")
    country_is_iso = Check("country ~ '^[A-Z]{2}$'")
    vetted_by_someone = Check("(vetted_at IS NULL) = (vetted_by IS NULL)")


class Subscriber(Table, db=DB, tablename="subscriber"):
    """A mobile line by the operator's pseudonymous reference; claimed once with the operator's activation code."""

    personal_data = PersonalData(
        (Of.SUBSCRIBER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="reference = me.line"
    )
    reference = BigInt(primary_key=True)
    activation_code_hash = Text(null=True, default=None)
    """SHA-256 of the code, hex; null once claimed or when none was issued."""
    claimed_at = Timestamptz(null=True, default=None)
    erased_at = Timestamptz(null=True, default=None)
    """When the last person of the line who did so erased themselves: no build counts an event before it."""
    gone_at = Timestamptz(null=True, default=None)
    """When the operator's whole table first lacked the line; null while it is in force. What it earned stays payable."""
    reference_is_positive = Check("reference >= 0")


class LineTable(Table, db=DB, tablename="line_table"):
    """A whole table of lines that the operator gave, and how many lines it changed."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    sha256 = Text()
    """Of the rows as they were read, hex: the table that is the latest already changes nothing."""
    at = Timestamptz()
    lines = BigInt()
    """In force from then on."""
    new_lines = BigInt()
    returned_lines = BigInt()
    """Ended before, and in the table again."""
    changed_lines = BigInt()
    """Of another age band or home zone than in the table before."""
    gone_lines = BigInt()
    """In force before, and not in the table: ended."""


class Person(Table, db=DB, tablename="person"):
    """Someone who signs in; of exactly one partner, line or staff role. Deleting the row erases an identity, not the books."""

    personal_data = PersonalData(
        EVERYBODY,
        "until erased; staff for good",
        exported=True,
        erasure=Erasure.DELETED,
        find="id = me.person",
        opened=("email", "name"),
    )
    id = UUID(primary_key=True)
    email = Text()
    """Lower case; in place of a subscriber's, its keyed fingerprint. One person at most has it confirmed."""
    name = Text()
    """Empty for a subscriber."""
    sealed = Bytea(null=True, default=None)
    """A subscriber's email and name, AES-GCM, bound to this row and line."""
    key_id = Text(null=True, default=None)
    """Which of PARTAGE_IDENTITY_KEYS sealed them."""
    password_hash = Text()
    """argon2id, encoded with its parameters."""
    language = Text(default="fr")
    partner = ForeignKey(Partner, null=True, default=None, on_delete=OnDelete.restrict)
    subscriber = ForeignKey(Subscriber, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    staff_role = Text(null=True, default=None)
    created_at = Timestamptz()
    email_confirmed_at = Timestamptz(null=True, default=None)
    """When a link in a mail to this address was followed; null: it may be somebody else's."""
    has_second_factor = Boolean(default=False)
    """Whether a session of theirs needs more than the password."""
    ended_at = Timestamptz(null=True, default=None)
    """When they were removed: from then on they sign in no more, and their name stays where they acted."""
    is_member = Boolean(default=False)
    """Whether they work for a partner and do not administer it; a partner with people has one who does."""
    email_is_lower_case = Check("email = lower(email) AND position('@' in email) > 1")
    one_capacity = Check("num_nonnulls(partner, subscriber, staff_role) = 1")
    known_role = Check("staff_role IN ('steward', 'finance', 'auditor')")
    known_language = Check("language IN ('fr', 'en')")
    only_partners_have_members = Check("NOT is_member OR partner IS NOT NULL")
    only_subscribers_are_sealed = Check(
        "(sealed IS NULL) = (key_id IS NULL) AND (sealed IS NULL OR subscriber IS NOT NULL AND name = '')"
    )


class Session(Table, db=DB, tablename="session"):
    """A signed-in browser; the cookie carries a secret of which only the SHA-256 is kept."""

    personal_data = of_a_person("7 days", ends=Ends("expires_at"))
    token_hash = Text(primary_key=True)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    created_at = Timestamptz()
    expires_at = Timestamptz()
    awaits_factor = Boolean(default=False)
    """The password was right and the second factor is still to come: such a session is nobody's yet."""
    proved_at = Timestamptz(null=True, default=None)
    """When the person last showed in this session that it is them."""
    last_seen_at = Timestamptz(null=True, default=None)
    """When it last asked for something, to the minute; null: begun under an earlier version."""
    device = Text(default="")
    """Browser and system, as the browser names them."""
    network = Text(default="")
    """The network that it was begun from: an address without its last part."""


class ApiKey(Table, db=DB, tablename="api_key"):
    """A partner's key for machines: shown once, kept as its SHA-256. It ends with the person who made it."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="owner = me.person"
    )
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    label = Text()
    prefix = Text()
    """The first characters, shown in lists so that people recognise a key."""
    key_hash = Text(unique=True)
    created_at = Timestamptz()
    last_used_at = Timestamptz(null=True, default=None)
    revoked_at = Timestamptz(null=True, default=None)
    owner = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """Who made it; null for keys of an earlier version, and once that person is erased."""
    scopes = Text(default="quotes orders bids downloads")
    """What it may do: words of `rules.SCOPES` with blanks between."""
    ends_at = Timestamptz(null=True, default=None)
    """When it stops to work; null for keys of an earlier version: not before it is revoked."""
    scopes_are_known = Check("scopes ~ '^(quotes|orders|bids|downloads)( (quotes|orders|bids|downloads))*$'")


class Invitation(Table, db=DB, tablename="invitation"):
    """Someone is asked to join a partner or the staff: the link carries a code of which only the SHA-256 is kept."""

    personal_data = PersonalData(
        (Of.PARTNER, Of.STAFF),
        "37 days",
        exported=True,
        erasure=Erasure.DELETED,
        find="""email = me.email
            AND EXISTS (SELECT FROM person WHERE person.id = me.person AND email_confirmed_at IS NOT NULL)""",
        ends=Ends("expires_at", 30),
    )
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=True, default=None, on_delete=OnDelete.restrict)
    staff_role = Text(null=True, default=None)
    email = Text()
    name = Text()
    code_hash = Text(unique=True)
    created_at = Timestamptz()
    expires_at = Timestamptz()
    accepted_at = Timestamptz(null=True, default=None)
    invited_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.cascade)
    """The colleague who invites, whose open invitations end with them; null: the command line."""
    one_capacity = Check("num_nonnulls(partner, staff_role) = 1")
    known_role = Check("staff_role IN ('steward', 'finance', 'auditor')")


class SignInAttempt(Table, db=DB, tablename="sign_in_attempt"):
    """An attempt at a secret that has not succeeded, counted so that any number of processes guess slowly together."""

    personal_data = PersonalData(
        EVERYBODY, "15 minutes, then the next day's clean-up", exported=False, erasure=Erasure.EXPIRES, ends=Ends("at")
    )
    subject = Text()
    """SHA-256 of whose secret is tried: an email, a browser known to it, or a line. Nothing personal is kept of strangers."""
    at = Timestamptz()
