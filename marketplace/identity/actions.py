"""What changes who is who: partners sign up and are vetted, lines are claimed, people sign in, keys come and go."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
import uuid
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.database import copy_in, execute, fetch, fetch_one, fetch_value, lock, transaction
from marketplace.errors import Conflict, Expired, Invalid, NotFound
from marketplace.identity import names, passwords, rules
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INVITATION_DAYS = 7
SHOWN_AGAIN = dt.timedelta(minutes=10)
"""How long the same form shows the secret it made once more: a double click or a refresh loses nothing."""
KEY_PREFIX = "pk_"


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret, hex: all that is kept of it."""
    return hashlib.sha256(secret.encode()).hexdigest()


# Partners -----------------------------------------------------------------------------------------------------------


async def create_partner(
    *, company: str, country: str, vat_number: str, name: str, email: str, password: str, language: str = "fr",
    partner_id: uuid.UUID | None = None,
) -> uuid.UUID:  # fmt: skip
    """Sign a company up with its first person and return its id; the same `partner_id` again changes nothing.

    Refuses malformed fields and, with Conflict, an email that signs in already.
    """
    company, country = rules.clean_text(company, 200, field="company"), rules.clean_country(country)
    vat, email = rules.clean_vat(country, vat_number), rules.clean_email(email)
    name = rules.clean_text(name, field="name")
    rules.check_password(password, email)
    hashed, now, partner = await passwords.hash_password(password), clock.now(), partner_id or uuid.uuid4()
    async with transaction():
        made = await execute(
            """INSERT INTO partner (id, company, country, vat_number, signed_up_at) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (id) DO NOTHING""",
            partner, company, country, vat, now,
        )  # fmt: skip
        if made:
            await _add_person(email, name, hashed, language, now, partner=partner)
    return partner


async def vet_partner(partner: uuid.UUID, by: object) -> None:
    """Let a partner buy; a steward's decision, which may follow a refusal."""
    if not await execute(
        """UPDATE partner SET vetted_at = coalesce(vetted_at, $2), vetted_by = coalesce(vetted_by, $3), refused_reason = NULL
           WHERE id = $1""",
        partner, clock.now(), str(by),
    ):  # fmt: skip
        raise NotFound("There is no such partner.")


async def refuse_partner(partner: uuid.UUID, reason: str) -> None:
    """Say no to a partner, with the reason it is shown; what it has bought stays bought."""
    reason = rules.clean_text(reason, 500, field="reason")
    if not await execute(
        "UPDATE partner SET vetted_at = NULL, vetted_by = NULL, refused_reason = $2 WHERE id = $1", partner, reason
    ):
        raise NotFound("There is no such partner.")


async def confirm_vat(partner: uuid.UUID) -> bool:
    """Ask VIES about a partner's VAT number and record its answer; False while it is not confirmed.

    Offline, busy or closed, VIES changes nothing: the number stays unverified and VAT is due. A number it once
    confirmed and now calls invalid is unconfirmed again.
    """
    import httpx  # noqa: PLC0415 (start-up time)

    number = await fetch_value("SELECT vat_number FROM partner WHERE id = $1", partner)
    base = settings().vies_url.rstrip("/")
    if not number or not base:
        return False
    answer, valid = "UNREACHABLE", False
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            response = await client.get(base + rules.vies_path(number), headers={"accept": "application/json"})
        told = response.json() if response.is_success else {}
        answer = str(told.get("userError") or f"HTTP {response.status_code}")[:40]
        valid = told.get("isValid") is True and answer == "VALID"
    except (httpx.HTTPError, ValueError, AttributeError):
        pass
    await execute(
        """UPDATE partner SET vat_checked_at = $2, vat_answer = $3,
                  vat_confirmed_at = CASE WHEN $4 THEN $2 WHEN $3 = 'INVALID' THEN NULL ELSE vat_confirmed_at END
           WHERE id = $1 AND vat_number = $5""",
        partner, clock.now(), answer, valid, number,
    )  # fmt: skip
    return valid


async def confirm_pending_vat() -> None:
    """Ask VIES again about the numbers it has not answered for, an hour apart at least; a job."""
    if not settings().vies_url:
        return
    waiting = await fetch(
        """SELECT id FROM partner WHERE vat_number <> '' AND vat_confirmed_at IS NULL AND vat_answer IS DISTINCT FROM 'INVALID'
                  AND (vat_checked_at IS NULL OR vat_checked_at < $1) ORDER BY vat_checked_at NULLS FIRST LIMIT 50""",
        clock.now() - rules.VIES_RETRY,
    )  # fmt: skip
    for row in waiting:
        await confirm_vat(row["id"])


# People -------------------------------------------------------------------------------------------------------------


async def _add_person(
    email: str, name: str, hashed: str, language: str, at: dt.datetime, *,
    partner: uuid.UUID | None = None, subscriber: int | None = None, role: str | None = None,
) -> uuid.UUID:  # fmt: skip
    """Add someone of exactly one partner, line or role; refuses an email that is taken."""
    person = uuid.uuid4()
    async with transaction():
        await lock(f"email {digest(email)}")
        if await fetch_value("SELECT true FROM person WHERE email = ANY ($1)", names.stored_as(email)):
            raise Conflict(
                "That email address already signs in here; sign in with it, or use another one.", field="email"
            )
        held = (email, name, None, None) if subscriber is None else names.seal(person, subscriber, email, name)
        await execute(
            """INSERT INTO person (id, email, name, key_id, sealed, password_hash, language, partner, subscriber, staff_role,
                                   created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
            person, *held, hashed, language, partner, subscriber, role, at,
        )  # fmt: skip
    return person


async def add_staff(email: str, name: str, role: str, password: str) -> uuid.UUID:
    """Add a steward, finance clerk or auditor and return their id; the same person again changes nothing."""
    email, name = rules.clean_email(email), rules.clean_text(name, field="name")
    if role not in rules.ROLES:
        raise Invalid("A role is one of {roles}.", roles=", ".join(rules.ROLES))
    rules.check_password(password, email)
    known: uuid.UUID | None = await fetch_value(
        "SELECT id FROM person WHERE email = $1 AND staff_role = $2", email, role
    )
    if known:
        return known
    return await _add_person(email, name, await passwords.hash_password(password), "fr", clock.now(), role=role)


async def invite_colleague(partner: uuid.UUID, *, email: str, name: str, invitation_id: uuid.UUID, session: str) -> str:
    """Invite someone to a partner and return the code of their link, shown to whoever invites; valid for a week."""
    email, name, now = rules.clean_email(email), rules.clean_text(name, field="name"), clock.now()
    if await fetch_value("SELECT true FROM person WHERE email = ANY ($1)", names.stored_as(email)):
        raise Conflict("That email address already signs in here; use another one.", field="email")
    code = _secret_of(session, invitation_id, partner)
    await execute(
        """INSERT INTO invitation (id, partner, email, name, code_hash, created_at, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING""",
        invitation_id, partner, email, name, digest(code), now, now + dt.timedelta(days=INVITATION_DAYS),
    )  # fmt: skip
    return code


async def accept_invitation(code: str, password: str, language: str) -> uuid.UUID:
    """Join the partner that invited and return the new person; a code works once."""
    now = clock.now()
    invitation = await fetch_one("SELECT id, email FROM invitation WHERE code_hash = $1", digest(code))
    if invitation is None:
        raise NotFound("This invitation does not exist.")
    rules.check_password(password, invitation["email"])
    hashed = await passwords.hash_password(password)
    async with transaction():
        taken = await fetch_one(
            """UPDATE invitation SET accepted_at = $2 WHERE id = $1 AND accepted_at IS NULL AND expires_at > $2
               RETURNING partner, email, name""",
            invitation["id"], now,
        )  # fmt: skip
        if taken is not None:
            return await _add_person(taken["email"], taken["name"], hashed, language, now, partner=taken["partner"])
    known = await fetch_one("SELECT id, password_hash FROM person WHERE email = $1", invitation["email"])
    if known and await passwords.matches(known["password_hash"], password):
        return known["id"]  # type: ignore[no-any-return]
    raise Expired("This invitation was used or is over; ask your colleague for another one.")


async def change_password(person: uuid.UUID, current: str, new: str) -> None:
    """Change a password and end every session of the person; refuses a wrong current one."""
    found = await fetch_one(
        "SELECT id, subscriber, email, sealed, key_id, password_hash FROM person WHERE id = $1", person
    )
    if found is None:
        raise NotFound("There is no such person.")
    row = names.unseal(found)
    attempt = await _begin_attempt(f"email:{row['email']}")
    if not await passwords.matches(row["password_hash"], current):
        raise rules.WrongSecret("The current password is wrong.")
    await _forgive(attempt)
    rules.check_password(new, row["email"])
    hashed = await passwords.hash_password(new)
    async with transaction():
        await execute("UPDATE person SET password_hash = $2 WHERE id = $1", person, hashed)
        await execute("DELETE FROM session WHERE person = $1", person)


async def erase_person(person: uuid.UUID) -> None:
    """Forget who someone was, their sessions included; the pseudonymous line and every book stay.

    An erased subscriber's line can be claimed again with a new code of the operator's. Whom no key of ours opens is erased
    too; what was counted against their email lapses by itself.
    """
    async with transaction():
        found = await fetch_one(
            "DELETE FROM person WHERE id = $1 RETURNING id, email, partner, subscriber, sealed, key_id", person
        )
        if found is None:
            return
        row = names.unseal(found)
        await execute("UPDATE subscriber SET claimed_at = NULL WHERE reference = $1", row["subscriber"])
        await execute("DELETE FROM invitation WHERE email = $1", row["email"])
        await execute("DELETE FROM sign_in_attempt WHERE subject = $1", digest(f"email:{row['email']}"))


# Signing in ---------------------------------------------------------------------------------------------------------


async def sign_in(email: str, password: str, device: str = "") -> uuid.UUID:
    """Return whose email and password these are; refuses with WrongSecret or TooManyAttempts.

    A browser that signed in before carries a `device` mark and waits for its own failures only, so that strangers who
    guess cannot keep its owner out. A stranger's email takes as long as a known one.
    """
    try:
        email = rules.clean_email(email)
    except Invalid:
        email = ""
    known_browser = bool(email) and hmac.compare_digest(
        device.encode(), device_mark(email, device.partition(".")[0]).encode()
    )
    attempt = await _begin_attempt(f"device:{device}" if known_browser else f"email:{email}")
    row = await fetch_one("SELECT id, password_hash FROM person WHERE email = ANY ($1)", names.stored_as(email))
    usable = password[: rules.LONGEST_PASSWORD + 1]
    if not await passwords.matches(row["password_hash"] if row else None, usable) or row is None:
        raise rules.WrongSecret("The email or the password is wrong.")
    await _forgive(attempt)
    if passwords.is_outdated(row["password_hash"]):
        fresh = await passwords.hash_password(usable)
        await execute(
            "UPDATE person SET password_hash = $2 WHERE id = $1 AND password_hash = $3",
            row["id"],
            fresh,
            row["password_hash"],
        )
    return row["id"]  # type: ignore[no-any-return]


def device_mark(email: str, nonce: str = "") -> str:
    """Return the mark of a browser that signed in with this email: a nonce and its signature."""
    nonce = nonce or secrets.token_urlsafe(12)
    signature = hmac.new(settings().secret.encode(), f"device {nonce} {email}".encode(), hashlib.sha256).hexdigest()
    return f"{nonce}.{signature}"


async def _begin_attempt(subject: str) -> str:
    """Count an attempt before it is judged, so that attempts at once cannot slip past the limit; returns its subject."""
    now, key = clock.now(), digest(subject)
    async with transaction():
        await lock(f"attempt {key}")
        await execute(
            "DELETE FROM sign_in_attempt WHERE subject = $1 AND at <= $2", key, now - rules.ATTEMPTS_COUNT_FOR
        )
        failures = [
            row["at"] for row in await fetch("SELECT at FROM sign_in_attempt WHERE subject = $1 ORDER BY at", key)
        ]
        left = rules.wait_left(failures, now)
        if not left:
            await execute("INSERT INTO sign_in_attempt (subject, at) VALUES ($1, $2)", key, now)
    if left:
        raise rules.TooManyAttempts(
            "Too many attempts; wait {seconds} seconds and try again.", seconds=int(left.total_seconds()) + 1
        )
    return key


async def _forgive(key: str) -> None:
    """Forget the failures of a subject that has proved itself."""
    await execute("DELETE FROM sign_in_attempt WHERE subject = $1", key)


async def forget_old() -> None:
    """Drop sessions, attempts and invitations whose time has passed; a job."""
    now = clock.now()
    await execute("DELETE FROM session WHERE expires_at <= $1", now)
    await execute("DELETE FROM sign_in_attempt WHERE at <= $1", now - rules.ATTEMPTS_COUNT_FOR)
    await execute("DELETE FROM invitation WHERE expires_at <= $1", now - dt.timedelta(days=30))


# Subscribers --------------------------------------------------------------------------------------------------------


async def add_subscribers(references: Iterable[int]) -> int:
    """Add mobile lines by the operator's references and return how many were new; known ones stay as they are."""
    async with transaction():
        await execute("CREATE TEMPORARY TABLE arriving (reference bigint NOT NULL) ON COMMIT DROP")
        await copy_in("arriving", ["reference"], ((reference,) for reference in references))
        added = await execute(
            "INSERT INTO subscriber (reference) SELECT DISTINCT reference FROM arriving ON CONFLICT DO NOTHING"
        )
        await execute("DROP TABLE arriving")
    return added


async def issue_activation_codes(references: Sequence[int]) -> list[tuple[int, str]]:
    """Make a fresh code for each line that nobody has claimed and return them for the operator's letters.

    Only hashes are kept; an earlier code of the same line stops working. Lines unknown or claimed get none.
    """
    codes = {reference: _code() for reference in references}
    async with transaction():
        await execute("CREATE TEMPORARY TABLE issued (reference bigint PRIMARY KEY, hash text NOT NULL) ON COMMIT DROP")
        await copy_in("issued", ["reference", "hash"], ((line, digest(_plain(code))) for line, code in codes.items()))
        rows = await fetch(
            """UPDATE subscriber SET activation_code_hash = issued.hash FROM issued
               WHERE subscriber.reference = issued.reference AND subscriber.claimed_at IS NULL RETURNING subscriber.reference"""
        )
        await execute("DROP TABLE issued")
    return [(row["reference"], codes[row["reference"]]) for row in rows]


async def claim_line(
    reference: int, code: str, *, email: str, name: str, password: str, language: str = "fr"
) -> uuid.UUID:
    """Give a line to whoever holds its activation code and return the new person; a code works once.

    The same form sent twice finds the line already claimed by the same email and password, and answers the same.
    """
    email, name = rules.clean_email(email), rules.clean_text(name, field="name")
    rules.check_password(password, email)
    attempt = await _begin_attempt(f"line:{reference}")
    hashed, now = await passwords.hash_password(password), clock.now()
    async with transaction():
        if await execute(
            """UPDATE subscriber SET claimed_at = $3, activation_code_hash = NULL
               WHERE reference = $1 AND activation_code_hash = $2 AND claimed_at IS NULL""",
            reference, digest(_plain(code)), now,
        ):  # fmt: skip
            person = await _add_person(email, name, hashed, language, now, subscriber=reference)
            await _forgive(attempt)
            return person
    known = await fetch_one(
        "SELECT id, password_hash FROM person WHERE email = ANY ($1) AND subscriber = $2",
        names.stored_as(email),
        reference,
    )
    if await passwords.matches(known["password_hash"] if known else None, password) and known:
        await _forgive(attempt)
        return known["id"]  # type: ignore[no-any-return]
    raise rules.WrongSecret("This reference and this code do not belong together, or the code was used already.")


def _code() -> str:
    """Return eighty random bits as four groups that survive a letter and a telephone."""
    text = base64.b32encode(secrets.token_bytes(10)).decode()
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))


def _plain(code: str) -> str:
    """Return a code as it is hashed: without its dashes and spaces, in capitals, 0 and 1 read as the letters meant."""
    return "".join(sign for sign in code.upper() if sign.isalnum()).replace("0", "O").replace("1", "I")


# API keys -----------------------------------------------------------------------------------------------------------


async def create_key(partner: uuid.UUID, label: str, *, key_id: uuid.UUID, session: str) -> str | None:
    """Make a partner's API key and return it; the same form again returns the same key for ten minutes, then None.

    session: the secret of whoever asks; the key follows from it and the form, and cannot be made from the database.
    """
    label, now = rules.clean_text(label, 80, field="label"), clock.now()
    key = KEY_PREFIX + _secret_of(session, key_id, partner)
    await execute(
        """INSERT INTO api_key (id, partner, label, prefix, key_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT DO NOTHING""",
        key_id, partner, label, key[:9], digest(key), now,
    )  # fmt: skip
    shown = await fetch_value(
        "SELECT 1 FROM api_key WHERE id = $1 AND partner = $2 AND key_hash = $3 AND revoked_at IS NULL AND created_at > $4",
        key_id, partner, digest(key), now - SHOWN_AGAIN,
    )  # fmt: skip
    return key if shown else None


async def revoke_key(partner: uuid.UUID, key_id: uuid.UUID) -> None:
    """End an API key of this partner at once; ended twice it stays ended."""
    if not await execute(
        "UPDATE api_key SET revoked_at = coalesce(revoked_at, $3) WHERE id = $1 AND partner = $2",
        key_id,
        partner,
        clock.now(),
    ):
        raise NotFound("There is no such key.")


def _secret_of(session: str, form: uuid.UUID, partner: uuid.UUID) -> str:
    """Derive a form's secret from the server's and the session's: the same for both halves of a double click."""
    made = hmac.new(settings().secret.encode(), f"{session} {form} {partner}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")
