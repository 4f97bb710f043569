"""Add, remove and check second factors. One that is shown counts once, also if it is shown twice at a time."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING, Final

import pyotp

from marketplace.core import clock
from marketplace.core.database import fetch_column, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound, existing
from marketplace.core.locks import lock
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import vault
from marketplace.people.identity.credentials import find_hash, list_accounts
from marketplace.people.identity.guessing import (
    CountedAttempt,
    begin_attempt,
    begin_attempt_of_device,
    fail,
    forgive,
    is_known_device,
)
from marketplace.people.identity.rules import TooManyAttempts, WrongSecret, clean_email
from marketplace.people.identity.sessions import end_other_sessions, factor_is_compulsory, set_second_factor
from marketplace.people.identity.tables import Person
from marketplace.people.message_kinds import CODES_GUESSED, FACTORS_CHANGED
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.people.sign_in import factor_rules
from marketplace.people.sign_in.factor_queries import find_authenticator, get_factors
from marketplace.people.sign_in.factor_tables import Authenticator, Passkey, RecoveryCode

if TYPE_CHECKING:
    from marketplace.core.database import Values

TABLE: Final = "authenticator"
LINE: Final = 0
"""The vault also binds what it seals to a line; an authenticator has none."""


async def start_authenticator(person: uuid.UUID) -> str:
    """Give a person a new secret for their app and return it; it counts after its first code was given.

    Refuses while an authenticator is confirmed.
    """
    secret, row, now = pyotp.random_base32(), uuid.uuid4(), clock.now()
    key_id, sealed = vault.seal({"secret": secret}, row, LINE, table=TABLE)
    async with transaction():
        await lock(f"factors {person}")
        known = await find_authenticator(person)
        if known and known.confirmed_at:
            raise Conflict("You have an authenticator app already; remove it first.")
        await Authenticator.delete().where(Authenticator.person == person)
        new = Authenticator(
            id=row, person=person, sealed=sealed, key_id=key_id, created_at=now, confirmed_at=None, last_step=0
        )
        await Authenticator.insert(new)
    return secret


async def find_secret_to_confirm(person: uuid.UUID) -> str | None:
    """Return the secret of an app whose first code is awaited, to show it again after a wrong code."""
    app = await find_authenticator(person)
    if app is None or app.confirmed_at:
        return None
    return vault.unseal(app.key_id, app.sealed, app.id, LINE, table=TABLE)["secret"]


async def confirm_authenticator(person: uuid.UUID, code: str, address: str = "") -> list[str]:
    """Activate an app by its first code; return recovery codes to be shown once if the person has none."""
    attempt = await begin_attempt(f"factor:{person}", address)
    secret = existing(
        await find_secret_to_confirm(person), Conflict("Start again: there is no authenticator app to confirm.")
    )
    step, now = factor_rules.step_of(secret, code, clock.now()), clock.now()
    if step is None:
        await fail(attempt, "first_code", person)
        raise WrongSecret(
            "That is not the code that the app shows now, or the clock of the phone is wrong.", field="code"
        )
    await forgive(attempt)
    codes: list[str] = []
    async with transaction():
        await lock(f"factors {person}")
        confirmed: Values = {Authenticator.confirmed_at: now, Authenticator.last_step: step}
        waiting = (Authenticator.person == person) & Authenticator.confirmed_at.is_null()
        if not await Authenticator.update(confirmed).where(waiting).returning(Authenticator.id):
            raise Conflict("Start again: there is no authenticator app to confirm.")
        await set_second_factor(person, present=True)
        await _report_change(person, "factor_added", "authenticator")
        codes += await _first_codes(person)
    return codes


async def add_passkey(person: uuid.UUID, label: str, credential_id: bytes, public_key: bytes, count: int) -> list[str]:
    """Add a checked passkey; return recovery codes to be shown once if the person has none."""
    codes: list[str] = []
    async with transaction():
        await lock(f"factors {person}")
        new = Passkey(
            id=uuid.uuid4(),
            person=person,
            credential_id=credential_id,
            public_key=public_key,
            sign_count=count,
            label=label,
            created_at=clock.now(),
            last_used_at=None,
        )
        added = Passkey.insert(new).on_conflict(action="DO NOTHING", target=Passkey.credential_id)
        if not await added.returning(Passkey.id):
            raise Conflict("This passkey is registered already.")
        await set_second_factor(person, present=True)
        await _report_change(person, "factor_added", "passkey")
        codes += await _first_codes(person)
    return codes


async def _first_codes(person: uuid.UUID) -> list[str]:
    """Make recovery codes for a person who has none left, in the transaction that adds a factor."""
    return [] if (await get_factors(person)).codes_left else await _make_codes(person)


async def _make_codes(person: uuid.UUID) -> list[str]:
    codes = [
        factor_rules.written(secrets.token_bytes(factor_rules.RECOVERY_BYTES))
        for _ in range(factor_rules.RECOVERY_CODES)
    ]
    now = clock.now()
    await RecoveryCode.delete().where(RecoveryCode.person == person)
    await RecoveryCode.insert(
        *(
            RecoveryCode(code_hash=factor_rules.hash_of(code), person=person, created_at=now, used_at=None)
            for code in codes
        )
    )
    return codes


async def renew_codes(person: uuid.UUID) -> list[str]:
    """Make new recovery codes and return them, to be shown once; the old ones become invalid."""
    codes: list[str] = []
    async with transaction():
        await lock(f"factors {person}")
        if not (await get_factors(person)).count:
            raise Conflict("Add a second factor first.")
        await _report_change(person, "recovery_codes_renewed")
        codes += await _make_codes(person)
    return codes


async def remove_factor(person: uuid.UUID, factor: uuid.UUID | None, *, is_staff: bool) -> None:
    """Remove a passkey, or the app if `factor` is None. The last one of staff stays if they need one."""
    async with transaction():
        await lock(f"factors {person}")
        if factor is None:
            removed = await Authenticator.delete().where(Authenticator.person == person).returning(Authenticator.id)
        else:
            mine = (Passkey.id == factor) & (Passkey.person == person)
            removed = await Passkey.delete().where(mine).returning(Passkey.id)
        if not removed:
            raise NotFound("There is no such second factor.")
        await _report_change(person, "factor_removed", "passkey" if factor else "authenticator")
        if (await get_factors(person)).count:
            return
        if is_staff and factor_is_compulsory():
            raise Conflict("Staff keep one second factor; add another before you remove this one.")
        await RecoveryCode.delete().where(RecoveryCode.person == person)
        await set_second_factor(person, present=False)


async def remove_all(*, email: str = "", line: int | None = None) -> int:
    """Remove every second factor of an address's people, or of a line's holder, and end their sessions.

    For people who lost them and were recognised by the operator. They sign in with their password and are notified by
    mail; staff then must add another factor first. Returns how many people there were. Refuses NotFound if there is
    nobody.
    """
    if line is not None:
        people = await fetch_column(uuid.UUID, Person.select(Person.id).where(Person.subscriber == line))
    else:
        people = [one.id for one in await list_accounts(clean_email(email))]
    if not people:
        raise NotFound("There is no such person.")
    for person in people:
        async with transaction():
            await lock(f"factors {person}")
            for table in (Authenticator, Passkey, RecoveryCode):
                await table.delete().where(table.person == person)
            await set_second_factor(person, present=False)
            await end_other_sessions(person, "")
            await _report_change(person, "factors_removed")
    return len(people)


async def _report_change(person: uuid.UUID, verb: str, what: str = "") -> None:
    """Note a change of a person's factors and write to them, in the transaction that makes it."""
    await note_access(person, verb, what)
    now = clock.now()
    to = [Recipient("person", str(person))]
    await send(FACTORS_CHANGED, f"{person} {now.isoformat()}", to, at=now.isoformat())


def by_factor(person: uuid.UUID) -> str:
    """Return the text that a browser's mark signs, instead of the person's id, after their second factor."""
    return f"by a factor {person}"


async def begin_showing(person: uuid.UUID, address: str, mark: str) -> CountedAttempt:
    """Count an attempt at a second factor; refuses with TooManyAttempts.

    A browser with the `mark` of an earlier success is counted separately. So a guesser who knows the password does not
    block the owner, from one address or from many.
    """
    known = await begin_attempt_of_device(mark) if is_known_device(by_factor(person), mark) else None
    return known or await begin_attempt(f"factor:{person}", address)


async def _begin_code(person: uuid.UUID) -> None:
    """Count a code of an unknown browser until one is right; refuses with TooManyAttempts.

    After `factor_rules.FREE_CODES` the wait doubles up to a day, from however many addresses, and the owner, whose
    password is known by then, gets a letter. A passkey, a recovery code and a known browser do not wait.
    """
    async with transaction():
        await lock(f"codes {person}")
        app, now = await find_authenticator(person), clock.now()
        if app is None:
            return
        left = factor_rules.wait_left(app.tried_codes, app.tried_at, now)
        if left:
            raise TooManyAttempts(
                "Too many attempts; wait {seconds} seconds and try again.", seconds=int(left.total_seconds()) + 1
            )
        tried: Values = {Authenticator.tried_codes: app.tried_codes + 1, Authenticator.tried_at: now}
        await Authenticator.update(tried).where(Authenticator.id == app.id)
        if app.tried_codes + 1 == factor_rules.FREE_CODES:
            to = [Recipient("person", str(person))]
            await send(CODES_GUESSED, f"{person} {now.isoformat()}", to, at=now.isoformat())


async def check_code(person: uuid.UUID, code: str, address: str = "", mark: str = "") -> None:
    """Accept an app's code or a recovery code of a person, once; refuses with WrongSecret or TooManyAttempts."""
    attempt, is_recovery = await begin_showing(person, address, mark), factor_rules.looks_like_recovery(code)
    if not is_recovery and not is_known_device(by_factor(person), mark):
        await _begin_code(person)
    is_right = await (_use_recovery(person, code) if is_recovery else _use_app(person, code))
    if not is_right:
        await fail(attempt, "code", person)
        raise WrongSecret(
            "This code is wrong, was used already, or the clock of the phone is wrong; an app shows a new one every "
            "half minute.",
            field="code",
        )
    await forgive(attempt)


async def _use_app(person: uuid.UUID, code: str) -> bool:
    app = await find_authenticator(person)
    if app is None or app.confirmed_at is None:
        return False
    secret = vault.unseal(app.key_id, app.sealed, app.id, LINE, table=TABLE)["secret"]
    step = factor_rules.step_of(secret, code, clock.now())
    if step is None:
        return False
    used: Values = {Authenticator.last_step: step, Authenticator.tried_codes: 0, Authenticator.tried_at: None}
    if app.key_id != vault.current_key():
        used[Authenticator.key_id], used[Authenticator.sealed] = vault.seal(
            {"secret": secret}, app.id, LINE, table=TABLE
        )
    is_newer = (Authenticator.id == app.id) & (Authenticator.last_step < step)
    return bool(await Authenticator.update(used).where(is_newer).returning(Authenticator.id))


async def _use_recovery(person: uuid.UUID, code: str) -> bool:
    used: Values = {RecoveryCode.used_at: clock.now()}
    unused = (RecoveryCode.code_hash == factor_rules.hash_of(code)) & (RecoveryCode.person == person)
    is_unused = unused & RecoveryCode.used_at.is_null()
    is_right = bool(await RecoveryCode.update(used).where(is_unused).returning(RecoveryCode.code_hash))
    if is_right:
        await note_access(person, "recovery_code_used")
    return is_right


async def check_password(person: uuid.UUID, password: str, address: str = "") -> None:
    """Accept again the password of a person without a second factor; refuses as `check_code` does."""
    if (await get_factors(person)).count:
        raise Invalid("Show your second factor instead.")
    attempt = await begin_attempt(f"person:{person}", address)
    if await find_hash(person, password) is None:
        await fail(attempt, "password", person)
        raise WrongSecret("That is not your password.", field="password")
    await forgive(attempt)


async def use_passkey(passkey: uuid.UUID, count: int, before: int) -> bool:
    """Record that a passkey signed; False if another answer with its count came first, or it was removed."""
    used: Values = {Passkey.sign_count: count, Passkey.last_used_at: clock.now()}
    unchanged = (Passkey.id == passkey) & (Passkey.sign_count == before)
    return bool(await Passkey.update(used).where(unchanged).returning(Passkey.id))
