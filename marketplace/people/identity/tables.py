"""Columns and constraints of identities. A person signs in; their partner, line or role decides what they may do."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, BigSerial, Boolean, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import EVERYBODY, FOR_GOOD, NOBODYS, Ends, Erasure, Of, PersonalData, of_a_person


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
    """When VIES confirmed the number; null: it is unverified and VAT is due."""
    vat_checked_at = Timestamptz(null=True, default=None)
    """When VIES last got a request."""
    vat_answer = Text(null=True, default=None)
    """The status that VIES gave, such as VALID, INVALID or MS_UNAVAILABLE; UNREACHABLE if it did not answer."""
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
    """SHA-256 of the code, hex; null once claimed, or if no code was issued."""
    claimed_at = Timestamptz(null=True, default=None)
    erased_at = Timestamptz(null=True, default=None)
    """When the last person of the line to do so erased themselves; no build counts an earlier event."""
    gone_at = Timestamptz(null=True, default=None)
    """When the operator's whole table first lacked the line; null while it is in force. Its earnings stay payable."""
    reference_is_positive = Check("reference >= 0")


class LineTable(Table, db=DB, tablename="line_table"):
    """A whole table of lines that the operator gave, and how many lines it changed."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    sha256 = Text()
    """Of the rows as they were read, hex; applying the latest table again changes nothing."""
    at = Timestamptz()
    lines = BigInt()
    """Lines in force after it."""
    new_lines = BigInt()
    returned_lines = BigInt()
    """Lines that had ended before and are in the table again."""
    changed_lines = BigInt()
    """Lines whose age band or home zone differs from the table before."""
    gone_lines = BigInt()
    """Lines that were in force before and are not in the table."""


class Person(Table, db=DB, tablename="person"):
    """A person who signs in, of exactly one partner, line or role. Deleting it erases an identity, not the books."""

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
    """Lower case; for a subscriber, its keyed fingerprint. At most one person has confirmed an address."""
    name = Text()
    """Empty for a subscriber."""
    sealed = Bytea(null=True, default=None)
    """A subscriber's email and name, AES-GCM, bound to this row and line."""
    key_id = Text(null=True, default=None)
    """The key of PARTAGE_IDENTITY_KEYS that sealed them."""
    password_hash = Text()
    """argon2id, encoded with its parameters."""
    language = Text(default="fr")
    partner = ForeignKey(Partner, null=True, default=None, on_delete=OnDelete.restrict)
    subscriber = ForeignKey(Subscriber, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    staff_role = Text(null=True, default=None)
    created_at = Timestamptz()
    email_confirmed_at = Timestamptz(null=True, default=None)
    """When somebody followed a link in a mail to this address; null: the address may be somebody else's."""
    has_second_factor = Boolean(default=False)
    """Whether the person's sessions need more than the password."""
    ended_at = Timestamptz(null=True, default=None)
    """When they were removed. They cannot sign in after it, and their name stays on their acts."""
    company_role = Text(null=True, default=None)
    """What a partner's person is: administrator, buyer, approver, accountant or reader. One administers it."""
    email_is_lower_case = Check("email = lower(email) AND position('@' in email) > 1")
    one_capacity = Check("num_nonnulls(partner, subscriber, staff_role) = 1")
    known_role = Check("staff_role IN ('steward', 'finance', 'auditor')")
    known_language = Check("language IN ('fr', 'en')")
    known_company_role = Check("company_role IN ('administrator', 'buyer', 'approver', 'accountant', 'reader')")
    only_partners_have_one = Check("(company_role IS NULL) = (partner IS NULL)")
    only_subscribers_are_sealed = Check(
        "(sealed IS NULL) = (key_id IS NULL) AND (sealed IS NULL OR subscriber IS NOT NULL AND name = '')"
    )


class Session(Table, db=DB, tablename="session"):
    """A signed-in browser; its cookie has a secret, of which only the SHA-256 is stored."""

    personal_data = of_a_person("7 days", ends=Ends("expires_at"))
    token_hash = Text(primary_key=True)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    created_at = Timestamptz()
    expires_at = Timestamptz()
    awaits_factor = Boolean(default=False)
    """The password was right and the second factor is missing; such a session has no actor yet."""
    proved_at = Timestamptz(null=True, default=None)
    """When the person last proved their identity in this session."""
    last_seen_at = Timestamptz()
    """When its last request was, to the minute."""
    device = Text(default="")
    """Browser and system, as the browser names them."""
    network = Text(default="")
    """The network where it began: an address without its last part."""


class ApiKey(Table, db=DB, tablename="api_key"):
    """A partner's key for machines, shown once and stored as its SHA-256. It ends with the person who made it."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="owner = me.person"
    )
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    label = Text()
    prefix = Text()
    """The first characters, by which people recognise a key in lists."""
    key_hash = Text(unique=True)
    created_at = Timestamptz()
    last_used_at = Timestamptz(null=True, default=None)
    revoked_at = Timestamptz(null=True, default=None)
    owner = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """The person who made it; null once that person is erased."""
    scopes = Text()
    """The key's scopes: words of `rules.SCOPES` separated by blanks."""
    ends_at = Timestamptz()
    """When it stops working, unless it is revoked earlier."""
    replaces: ForeignKey[ApiKey] = ForeignKey("self", null=True, default=None, on_delete=OnDelete.restrict)
    """The first key of those that replaced each other: they spend within one limit."""
    scopes_are_known = Check("scopes ~ '^(quotes|orders|bids|downloads)( (quotes|orders|bids|downloads))*$'")


class Invitation(Table, db=DB, tablename="invitation"):
    """An invitation to join a partner or the staff; its link has a code, of which only the SHA-256 is stored."""

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
    company_role = Text(null=True, default=None)
    """What the new colleague becomes; the first one administers the company."""
    email = Text()
    name = Text()
    code_hash = Text(unique=True)
    created_at = Timestamptz()
    expires_at = Timestamptz()
    accepted_at = Timestamptz(null=True, default=None)
    invited_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.cascade)
    """The colleague who invites; their open invitations end with them. Null: the command line."""
    one_capacity = Check("num_nonnulls(partner, staff_role) = 1")
    known_role = Check("staff_role IN ('steward', 'finance', 'auditor')")
    known_company_role = Check("company_role IN ('administrator', 'buyer', 'approver', 'accountant', 'reader')")
    only_partners_have_one = Check("(company_role IS NULL) = (partner IS NULL)")


class SignInAttempt(Table, db=DB, tablename="sign_in_attempt"):
    """An attempt at a secret that has not succeeded; counted over all processes, so guessing is slow everywhere."""

    personal_data = PersonalData(
        EVERYBODY, "15 minutes, then the next day's clean-up", exported=False, erasure=Erasure.EXPIRES, ends=Ends("at")
    )
    subject = Text()
    """SHA-256 of the attempted secret's subject: an email, a browser that knows it, or a line. Nothing personal about
    strangers is stored.
    """
    at = Timestamptz()
