"""Counts failed guesses by the secret's owner, the address and the browser, and slows guessing down.

An attempt is counted before it is judged, so that simultaneous attempts cannot pass a limit. A browser that once proved
that it knows the secret is counted separately: strangers' guesses never block it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_column, transaction
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.core.web.devices import network_of
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import rules
from marketplace.people.identity.rules import digest
from marketplace.people.identity.tables import SignInAttempt

if TYPE_CHECKING:
    import uuid

PLACE = 12
"""Length of the code that replaces an address in the audit trail; one address has the same code all day, and another
the next.
"""


class CountedAttempt(Struct, frozen=True):
    """An attempt as it was counted: its subjects and its instant."""

    own: tuple[str, ...]
    """Digests of the subjects whose failures a success forgives."""
    at: dt.datetime
    network: str = ""
    """The address it came from. Its other failures stay: one right password does not clear an address."""


async def begin_attempt(subject: str, address: str = "") -> CountedAttempt:
    """Count an attempt at the secret of `subject` from an address; refuses with TooManyAttempts when it is too early.

    Five failures are free for each pair of account and address, so one guesser delays nobody else. Without an address
    they are free for the account.
    """
    network = network_of(address)
    if not network:
        return await _count({subject: rules.FREE_ATTEMPTS})
    own = {f"{subject} from {network}": rules.FREE_ATTEMPTS, subject: rules.FREE_ON_AN_ACCOUNT}
    return await _count(own, network)


async def begin_attempt_of_device(device: str) -> CountedAttempt | None:
    """Count an attempt of a known browser; None once it failed so often that it counts as a stranger's."""
    try:
        return await _count({f"device:{device}": rules.FREE_ON_A_DEVICE})
    except rules.TooManyAttempts:
        return None


async def begin_letter(email: str, address: str, kind: str = "letters") -> None:
    """Count a letter that somebody at an address causes to an email; refuses with TooManyAttempts.

    Otherwise anybody who knows an email could make us write to it all day. kind: each kind is counted separately, so
    that one does not use up the limit of another.
    """
    of_one = {f"{kind} to {email} from {network_of(address)}": rules.LETTERS_OF_ONE}
    await _count(of_one | {f"{kind} to {email}": rules.LETTERS_TO_ONE}, letters=True)


async def _count(own: dict[str, int], network: str = "", *, letters: bool = False) -> CountedAttempt:
    """Count an attempt under each subject, given with its number of free failures, and under its address.

    An address's attempts count once they failed, since many people may sign in from it at the same moment.
    """
    now, counted = clock.now(), {digest(subject): limit for subject, limit in own.items()}
    if network:
        counted[digest(f"trying:{network}")] = rules.AT_ONCE_FROM_AN_ADDRESS
    limits = counted | ({digest(f"address:{network}"): rules.FREE_FROM_AN_ADDRESS} if network else {})
    left = dt.timedelta(0)
    async with transaction():
        for key in sorted(limits):
            await lock(f"attempt {key}")
        mine = SignInAttempt.subject.is_in(list(limits))
        await SignInAttempt.delete().where(mine, SignInAttempt.at <= now - rules.ATTEMPTS_COUNT_FOR)
        for key, limit in limits.items():
            of_one = (
                SignInAttempt.select(SignInAttempt.at).where(SignInAttempt.subject == key).order_by(SignInAttempt.at)
            )
            failures = await fetch_column(dt.datetime, of_one)
            wait = rules.wait_for_room if letters else rules.wait_left
            left = max(left, wait(failures, now, limit))
        if not left:
            await SignInAttempt.insert(*(SignInAttempt(subject=key, at=now) for key in counted))
    if left:
        raise rules.TooManyAttempts(
            "Too many attempts; wait {seconds} seconds and try again.", seconds=int(left.total_seconds()) + 1
        )
    return CountedAttempt(tuple(map(digest, own)), now, network)


async def fail(attempt: CountedAttempt, what: str, whose: uuid.UUID | None = None) -> None:
    """Count a wrong secret under the address that it came from, and note it; the secret's owner was counted before.

    what: the secret that was tried. whose: the person who would have signed in, if known.
    """
    day = f"{attempt.at:%Y-%m-%d}"
    place = hmac.new(settings().secret.encode(), f"trail {day} {attempt.network}".encode(), hashlib.sha256).hexdigest()
    await note_access(whose, "secret_refused", what, place=place[:PLACE] if attempt.network else "")
    if attempt.network:
        await SignInAttempt.insert(SignInAttempt(subject=digest(f"address:{attempt.network}"), at=attempt.at))


async def forgive(attempt: CountedAttempt, *, all_of_it: bool = True) -> None:
    """Delete all failures of a subject whose secret was right, or this attempt alone, also of its address."""
    mine = SignInAttempt.subject.is_in(list(attempt.own))
    await SignInAttempt.delete().where(mine if all_of_it else mine & (SignInAttempt.at == attempt.at))
    if attempt.network:
        trying = SignInAttempt.subject == digest(f"trying:{attempt.network}")
        await SignInAttempt.delete().where(trying, SignInAttempt.at == attempt.at)


def device_mark(person: str, nonce: str = "") -> str:
    """Return the mark of a browser that this person signed in with: a nonce and its signature."""
    nonce = nonce or secrets.token_urlsafe(12)
    signature = hmac.new(settings().secret.encode(), f"device {nonce} {person}".encode(), hashlib.sha256).hexdigest()
    return f"{nonce}.{signature}"


def by_provider(person: uuid.UUID) -> str:
    """Return the text that a browser's mark signs, instead of the person's id, after a sign-in by a provider."""
    return f"by a provider {person}"


def is_known_device(person: str, device: str) -> bool:
    """Return whether a browser presents a mark that we signed for this person."""
    return hmac.compare_digest(device.encode(), device_mark(person, device.partition(".")[0] or "-").encode())
