"""Guessing is counted by whose secret is tried, by the address it is tried from and by the browser, and slows down.

An attempt is counted before it is judged, so that attempts at once cannot slip past a limit. A browser that proved
once that it knows the secret is counted for itself and let in with the right one, however much strangers guess.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_access
from marketplace.database import fetch_rows, select, transaction
from marketplace.identity import rules
from marketplace.identity.rules import digest
from marketplace.identity.tables import SignInAttempt
from marketplace.locks import lock
from marketplace.settings import settings
from marketplace.web.devices import network_of

if TYPE_CHECKING:
    import uuid

PLACE = 12
"""Signs of what stands for an address in the audit trail: the same one all day, another one the next."""


class Counted(Struct, frozen=True):
    """An attempt as it was counted: under which subjects, and when."""

    own: tuple[str, ...]
    """Digests of the subjects whose failures a success forgives."""
    at: dt.datetime
    network: str = ""
    """Where it came from; its other failures stay: an address is not cleared by one right password from it."""


class Attempt(Struct, frozen=True):
    """When a secret was tried."""

    at: dt.datetime


async def begin_attempt(subject: str, address: str = "") -> Counted:
    """Count an attempt at the secret of `subject` from an address; refuses with TooManyAttempts when it is too early.

    Somebody who guesses from one address keeps nobody else waiting: five failures are free for each account and address.
    Without an address they are free for the account.
    """
    network = network_of(address)
    if not network:
        return await _count({subject: rules.FREE_ATTEMPTS})
    own = {f"{subject} from {network}": rules.FREE_ATTEMPTS, subject: rules.FREE_ON_AN_ACCOUNT}
    return await _count(own, network)


async def begin_attempt_of_device(device: str) -> Counted | None:
    """Count an attempt of a known browser; None once it failed so often that it is to be treated as a stranger's."""
    try:
        return await _count({f"device:{device}": rules.FREE_ON_A_DEVICE})
    except rules.TooManyAttempts:
        return None


async def begin_letter(email: str, address: str, kind: str = "letters") -> None:
    """Count a letter that somebody at an address causes to an email; refuses with TooManyAttempts.

    Else who knows an email has us write to it all day. kind: what is counted apart, so that others keep nobody from it.
    """
    of_one = {f"{kind} to {email} from {network_of(address)}": rules.LETTERS_OF_ONE}
    await _count(of_one | {f"{kind} to {email}": rules.LETTERS_TO_ONE}, letters=True)


async def _count(own: dict[str, int], network: str = "", *, letters: bool = False) -> Counted:
    """Count an attempt under each subject, given with how many failures of it are free; and as one of its address's.

    An address's failures count once they are known to be some: many people may sign in from it at the same moment.
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
            of_one = select(Attempt, SignInAttempt).where(SignInAttempt.subject == key).order_by(SignInAttempt.at)
            failures = [failure.at for failure in await fetch_rows(Attempt, of_one)]
            wait = rules.wait_for_room if letters else rules.wait_left
            left = max(left, wait(failures, now, limit))
        if not left:
            await SignInAttempt.insert(*(SignInAttempt(subject=key, at=now) for key in counted))
    if left:
        raise rules.TooManyAttempts(
            "Too many attempts; wait {seconds} seconds and try again.", seconds=int(left.total_seconds()) + 1
        )
    return Counted(tuple(map(digest, own)), now, network)


async def fail(attempt: Counted, what: str, whose: uuid.UUID | None = None) -> None:
    """Count a wrong secret under the address that it came from, and note it; whose secret it was is counted already.

    what: the secret that was tried. whose: the person who would have signed in, where that is one known.
    """
    day = f"{attempt.at:%Y-%m-%d}"
    place = hmac.new(settings().secret.encode(), f"trail {day} {attempt.network}".encode(), hashlib.sha256).hexdigest()
    await note_access(whose, "secret_refused", what, place=place[:PLACE] if attempt.network else "")
    if attempt.network:
        await SignInAttempt.insert(SignInAttempt(subject=digest(f"address:{attempt.network}"), at=attempt.at))


async def forgive(attempt: Counted, *, all_of_it: bool = True) -> None:
    """Delete the failures of whose secret was right, or this attempt alone, and this attempt of its address."""
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
    """Return what is marked, in the place of the person, in a browser in which an identity provider vouched for them."""
    return f"by a provider {person}"


def is_known_device(person: str, device: str) -> bool:
    """Return whether a browser brings a mark that we signed for this person."""
    return hmac.compare_digest(device.encode(), device_mark(person, device.partition(".")[0] or "-").encode())
