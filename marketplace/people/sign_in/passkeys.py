"""Passkeys: requests to a browser to make one or to sign, and checks of its answers.

A challenge belongs to one session and is deleted by the answer, right or wrong. The answer must come from a page of
this site and from the device's owner: the device checks a finger, a face or a PIN (user verification). Source: W3C, Web
Authentication, level 3; the `webauthn` package makes the checks.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from marketplace.core import clock
from marketplace.core.database import execute, fetch_scalar
from marketplace.core.errors import Invalid, existing
from marketplace.core.settings import settings
from marketplace.people.identity.guessing import fail, forgive
from marketplace.people.identity.rules import WrongSecret, clean_text, digest
from marketplace.people.sign_in.factor_actions import add_passkey, begin_showing, use_passkey
from marketplace.people.sign_in.factor_queries import PasskeyRow, list_passkeys
from marketplace.people.sign_in.factor_rules import ISSUER

if TYPE_CHECKING:
    import uuid

FAULTS: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading a malformed answer raises, in addition to the package's own refusals."""
CHALLENGE_LASTS: Final = dt.timedelta(minutes=10)


def site() -> str | None:
    """Return the name that passkeys are bound to: the site's host, or None if the site has only an IP address."""
    host = urlsplit(settings().url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host or None
    return None


def origin() -> str:
    """Return the origin that an answer must have."""
    parts = urlsplit(settings().url)
    return f"{parts.scheme}://{parts.netloc}"


async def options_to_add(person: uuid.UUID, name: str, session: str) -> str:
    """Return the request to the browser to make a passkey, as JSON; '' if the site can have no passkeys."""
    host = site()
    if host is None:
        return ""
    from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415 (start-up time)
    from webauthn.helpers import structs  # noqa: PLC0415

    known = [structs.PublicKeyCredentialDescriptor(id=key.credential_id) for key in await list_passkeys(person)]
    options = generate_registration_options(
        rp_id=host,
        rp_name=ISSUER,
        user_name=name,
        user_id=person.bytes,
        exclude_credentials=known,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.PREFERRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
    )
    await _ask(person, session, options.challenge)
    return options_to_json(options)


async def options_to_show(person: uuid.UUID, session: str) -> str:
    """Return the request to the browser to sign, as JSON; '' for a person without passkeys."""
    host, known = site(), await list_passkeys(person)
    if host is None or not known:
        return ""
    from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415 (start-up time)
    from webauthn.helpers import structs  # noqa: PLC0415

    options = generate_authentication_options(
        rp_id=host,
        allow_credentials=[structs.PublicKeyCredentialDescriptor(id=key.credential_id) for key in known],
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    await _ask(person, session, options.challenge)
    return options_to_json(options)


async def delete_old_challenges() -> None:
    """Delete the challenges that were not answered in time; a job."""
    await execute("DELETE FROM passkey_challenge WHERE created_at <= $1", clock.now() - CHALLENGE_LASTS)


async def _ask(person: uuid.UUID, session: str, challenge: bytes) -> None:
    """Store the challenge of a session; only the answer to the page shown last counts."""
    now = clock.now()
    await delete_old_challenges()
    await execute(
        """INSERT INTO passkey_challenge (session_hash, person, challenge, created_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (session_hash) DO UPDATE
           SET person = excluded.person, challenge = excluded.challenge, created_at = excluded.created_at""",
        digest(session),
        person,
        challenge,
        now,
    )


async def _asked(person: uuid.UUID, session: str) -> bytes:
    """Return a session's challenge and delete it; refuses if there is no challenge, or it has expired."""
    return existing(
        await fetch_scalar(
            bytes,
            """DELETE FROM passkey_challenge WHERE session_hash = $1 AND person = $2 AND created_at > $3
           RETURNING challenge""",
            digest(session),
            person,
            clock.now() - CHALLENGE_LASTS,
        ),
        Invalid("This page was open for too long; try again."),
    )


async def register(person: uuid.UUID, label: str, answer: str, session: str) -> list[str]:
    """Check and store a new passkey; return recovery codes to be shown once if the person has none."""
    from webauthn import verify_registration_response  # noqa: PLC0415 (start-up time)
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    label, challenge = clean_text(label, 80, field="label"), await _asked(person, session)
    try:
        made = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site() or "",
            expected_origin=origin(),
            require_user_verification=True,
        )
    except (WebAuthnException, *FAULTS):
        raise Invalid("Your device's answer is not a passkey for this site; try again.") from None
    return await add_passkey(person, label, made.credential_id, made.credential_public_key, made.sign_count)


async def check_passkey(person: uuid.UUID, answer: str, session: str, address: str = "", mark: str = "") -> None:
    """Accept once what one of a person's passkeys signed for this session; refuses with WrongSecret."""
    attempt = await begin_showing(person, address, mark)
    challenge, known = await _asked(person, session), _answering(answer, await list_passkeys(person))
    count = _verified_count(answer, challenge, known) if known else None
    if known is None or count is None or not await use_passkey(known.id, count, known.sign_count):
        await fail(attempt, "passkey", person)
        raise WrongSecret("Your device's answer is not that of a passkey of yours; try again.")
    await forgive(attempt)


def _verified_count(answer: str, challenge: bytes, known: PasskeyRow) -> int | None:
    """Return how often the device has signed, from a right answer; None if the answer is wrong."""
    from webauthn import verify_authentication_response  # noqa: PLC0415 (start-up time)
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    try:
        shown = verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site() or "",
            expected_origin=origin(),
            credential_public_key=known.public_key,
            credential_current_sign_count=known.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, *FAULTS):
        return None
    return shown.new_sign_count


def _answering(answer: str, known: list[PasskeyRow]) -> PasskeyRow | None:
    """Return the passkey of a person that an answer is from."""
    from webauthn.helpers import base64url_to_bytes  # noqa: PLC0415 (start-up time)

    try:
        named = base64url_to_bytes(msgspec.json.decode(answer, type=dict[str, object])["rawId"])  # type: ignore[arg-type]
    except FAULTS:  # msgspec's own is a ValueError
        return None
    return next((key for key in known if key.credential_id == named), None)
