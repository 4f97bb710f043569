"""Actions on credentials of Delta Sharing: make and revoke them, and find a credential's partner."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hmac
import uuid
from typing import TYPE_CHECKING

import msgspec

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Invalid, NotAllowed, NotFound
from marketplace.core.settings import settings
from marketplace.delivery.delta_sharing import rules
from marketplace.delivery.delta_sharing.queries import SQL, Credential, find_by_secret, find_credential
from marketplace.delivery.delta_sharing.tables import SharingCredential, UsedAssertion
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity.rules import clean_text, digest
from marketplace.people.identity.sessions import form_secret

if TYPE_CHECKING:
    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor


class Unauthenticated(NotAllowed):
    """An unknown credential, or one that ended: the sentence says which."""

    status = 401


async def make_credential(
    who: Actor, *, credential_id: uuid.UUID, session: str, kind: str, label: str, days: int, public_key: str = ""
) -> dict[str, object]:
    """Make a credential and return its profile, which has its secret; the same form again returns the same.

    session: the secret of the person's session; the credential's secret is derived from it and the form. public_key:
    PEM, of a key pair.
    """
    assert who.partner
    now, label = clock.now(), clean_text(label, 80, field="label")
    if kind not in rules.KINDS:
        raise Invalid("Choose how the client shows who it is.", field="kind")
    if days not in rules.DAYS:
        raise Invalid("A credential works for {days} days.", days=" / ".join(map(str, rules.DAYS)), field="days")
    pem = rules.check_public_key(public_key) if kind == "key_pair" else None
    secret = "" if pem else rules.PREFIX + form_secret(session, credential_id, who.partner)
    new = SharingCredential(
        id=credential_id,
        partner=who.partner,
        owner=who.person,
        kind=kind,
        label=label,
        secret_hash=digest(secret) if secret else None,
        public_key=pem,
        created_at=now,
        ends_at=now + dt.timedelta(days=days),
    )
    if await SharingCredential.insert(new).on_conflict(action="DO NOTHING").returning(SharingCredential.id):
        await note_access(who, "sharing_credential_made", credential_id, partner=who.partner, days=days)
    made = await find_credential(credential_id)
    if made is None or made.partner != who.partner or made.secret_hash != new.secret_hash:
        raise NotFound("There is no such credential.")
    return rules.profile(
        settings().url, made.kind, made.id, secret=secret, ends_at=made.ends_at, pem=made.public_key or ""
    )


async def revoke_credential(who: Actor, credential: uuid.UUID) -> None:
    """End a credential of this partner at once; repeating it changes nothing. A member may end only their own."""
    row = await find_credential(credential)
    if row is None or row.partner != who.partner:
        raise NotFound("There is no such credential.")
    if who.is_member and row.owner != who.person:
        raise NotAllowed("Only an administrator of your company may do that.")
    revoked: Values = {SharingCredential.revoked_at: clock.now()}
    is_open = (SharingCredential.id == credential) & SharingCredential.revoked_at.is_null()
    if await SharingCredential.update(revoked).where(is_open).returning(SharingCredential.id):
        await note_access(who, "sharing_credential_revoked", credential, partner=who.partner)


async def credential_of(authorization: str) -> Credential:
    """Return the credential in a header: a bearer's secret, a name and password, or a token of `issue_token`."""
    scheme, _, shown = authorization.partition(" ")
    now = clock.now()
    if scheme.lower() == "bearer" and (token := shown.strip()).startswith(rules.TOKEN_PREFIX):
        named = rules.read_token(settings().secret, token, now)
        return await _checked(await find_credential(uuid.UUID(named)) if named else None, now)
    return await _checked(await _of_secret(scheme.lower(), shown.strip()), now)


async def _of_secret(scheme: str, shown: str) -> Credential | None:
    """Return the credential whose own secret is shown; never that of a token, which would renew itself for ever."""
    if scheme == "basic":
        return await _of_password(shown)
    row = await find_by_secret(digest(shown)) if scheme == "bearer" and shown else None
    return row if row and row.kind == "bearer" else None


async def _of_password(shown: str) -> Credential | None:
    """Return the credential with a name and password in HTTP's Basic scheme."""
    try:
        name, _, password = base64.b64decode(shown, validate=True).decode().partition(":")
        credential = await find_credential(uuid.UUID(name))
    except (ValueError, binascii.Error):
        return None
    if credential is None or credential.kind != "basic" or credential.secret_hash is None:
        return None
    return credential if hmac.compare_digest(credential.secret_hash, digest(password)) else None


async def _checked(row: Credential | None, now: dt.datetime) -> Credential:
    if row is None:
        raise Unauthenticated("Nobody has this credential.")
    if not row.is_open:
        raise Unauthenticated("This credential was revoked.")
    if now >= row.ends_at:
        raise Unauthenticated(
            "This credential ended on {day}: make another under Delta Sharing.", day=row.ends_at.date().isoformat()
        )
    await execute(SQL["note_use"], row.id, now, now - rules.USED_AGAIN)
    return row


async def check_credential(credential: uuid.UUID) -> Credential:
    """Return a credential that is still valid; refuses one that has ended."""
    return await _checked(await find_credential(credential), clock.now())


async def issue_token(form: dict[str, str], authorization: str) -> str:
    """Return an access token for a name and password, or for an assertion signed with the key pair.

    Sources: RFC 6749, 4.4, and RFC 7523, 2.1. An assertion gets one token.
    """
    now = clock.now()
    if form.get("grant_type") == "client_credentials":
        scheme, _, shown = authorization.partition(" ")
        row = await _checked(await _of_secret(scheme.lower(), shown.strip()), now)
    elif form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
        row = await _checked(await _of_assertion(form.get("assertion", ""), now), now)
    else:
        raise Invalid("This way to ask for a token is not known.")
    return rules.access_token(settings().secret, row.id, now)


async def _of_assertion(assertion: str, now: dt.datetime) -> Credential | None:
    """Return the credential whose key has just signed an assertion for us, or None. Refuses a used assertion."""
    from joserfc import errors, jwk, jwt  # noqa: PLC0415 (start-up time)

    try:
        claims = _claims_of(assertion.split(".")[1])
        row = await find_credential(uuid.UUID(str(claims["iss"])))
        if row is None or row.public_key is None:
            return None
        algorithm = rules.algorithm_of(row.public_key)
        key = (jwk.RSAKey if algorithm == "RS256" else jwk.ECKey).import_key(row.public_key)
        token = jwt.decode(assertion, key, algorithms=[algorithm])
        until, begun = int(token.claims["exp"]), int(token.claims["iat"])
        named = digest(f"{row.id} {token.claims.get('jti') or assertion.rpartition('.')[0]}")
    except (errors.JoseError, ValueError, KeyError, IndexError, TypeError, OverflowError, RecursionError):
        return None
    is_ours = token.claims.get("aud") == f"{settings().url}{rules.PATH}"
    is_fresh = now.timestamp() < until <= begun + rules.ASSERTION_LASTS.total_seconds()
    is_begun = begun <= now.timestamp() + rules.USED_AGAIN.total_seconds()
    if not (is_ours and is_fresh and is_begun):
        return None
    await _use(named, dt.datetime.fromtimestamp(until, dt.UTC), now)
    return row


async def _use(named: str, ends_at: dt.datetime, now: dt.datetime) -> None:
    """Note that an assertion was used; refuses one that was used before, by any process."""
    await UsedAssertion.delete().where(UsedAssertion.ends_at <= now)
    used = UsedAssertion(sha256=named, ends_at=ends_at)
    if not await UsedAssertion.insert(used).on_conflict(action="DO NOTHING").returning(UsedAssertion.sha256):
        raise Unauthenticated("This assertion was used: sign another one for each token.")


def _claims_of(part: str) -> dict[str, object]:
    """Return an assertion's claims before its signature is checked, to find the key."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=dict[str, object])
    except msgspec.DecodeError as error:
        raise ValueError from error
