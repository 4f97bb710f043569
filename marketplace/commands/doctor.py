"""`doctor`: The faults of this installation, and their repair."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from marketplace.commands.command import Command, database_server

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from marketplace.site.health.checks import Check


def run(_: argparse.Namespace) -> int:
    """Print the version and a line a check, with what mends it: settings, database, schema, clock, jobs, object store and disk."""
    from marketplace.core.settings import settings
    from marketplace.core.version import VERSION

    print(f"Partage {VERSION}")
    checks = [_check_settings(), *_check_what_is_optional()]
    is_embedded = not settings().database_url
    with database_server():
        checks += asyncio.run(_examine(is_embedded=is_embedded))
    for check in checks:
        print(
            f"{'WRONG' if check.problem else 'well '}  {check.name}" + (f": {check.problem}" if check.problem else "")
        )
        if check.problem:
            print(f"       mend: {check.mend}")
    return int(any(check.problem for check in checks))


def _check_settings() -> Check:
    """Try the checks by which `serve` would refuse, and `jobs` if these are its settings."""
    from marketplace.core.errors import Refusal
    from marketplace.core.setting_checks import refuse_demo_settings, refuse_role
    from marketplace.core.settings import DEMO_BID_KEY, settings
    from marketplace.site.health.checks import Check

    is_of_web = settings().bid_key == DEMO_BID_KEY
    try:
        refuse_demo_settings(settings())
        refuse_role(settings(), serving=is_of_web)
    except Refusal as refusal:
        return Check("settings", f"`{'serve' if is_of_web else 'jobs'}` refuses them. {refusal}", "marketplace init")
    return Check("settings")


def _check_what_is_optional() -> list[Check]:
    """Check the legally required settings of the site, and the mail server, each in the environment of its reader."""
    from marketplace.core.settings import DEMO_BID_KEY, settings
    from marketplace.subscribers.legal.rules import missing

    is_of_jobs, is_of_web = settings().bid_key != DEMO_BID_KEY, bool(settings().metrics_token)
    lacking = {}
    if not is_of_jobs:
        lacking["legal pages"] = missing(settings())
    if (is_of_jobs or not is_of_web) and not settings().smtp_url:
        lacking["mail"] = ["SMTP_URL"]
    if is_of_jobs and not (settings().backups and settings().backup_key):
        lacking["backups"] = ["PARTAGE_BACKUPS and PARTAGE_BACKUP_KEY"]
    found = [_with(name, variables) for name, variables in lacking.items()]
    return [*found, _check_mail()] if settings().smtp_url else found


def _check_mail() -> Check:
    """Connect to the mail server and sign in, as the next letter would."""
    from marketplace.people.mail.transports import find_fault
    from marketplace.site.health.checks import Check

    if fault := asyncio.run(find_fault()):
        why = f"The server of mail does not let us in: {fault}. Letters wait meanwhile."
        return Check("mail", why, "compare SMTP_URL: server, port, user and password")
    return Check("mail")


def _with(name: str, lacking: Sequence[str]) -> Check:
    from marketplace.site.health.checks import Check

    if lacking:
        return Check(name, f"not set: {', '.join(lacking)}", "write them into the environment file")
    return Check(name)


async def _examine(*, is_embedded: bool) -> list[Check]:
    """Run every check, with or without a database."""
    from asyncpg.exceptions import UndefinedColumnError, UndefinedTableError

    from marketplace.core import database
    from marketplace.core.errors import Refusal
    from marketplace.core.settings import settings
    from marketplace.site.health import checks

    try:
        async with asyncio.timeout(checks.LONGEST_SECONDS):
            await database.open_pool(settings().database_url, size=1)
    except checks.TROUBLES as error:
        return [checks.without_database(error), await checks.check_objects(), checks.check_disk()]
    except Refusal as refusal:
        return [checks.Check("database", str(refusal), "use PostgreSQL 17 or newer")]
    found: list[Check] = []
    try:
        found += await checks.examine()
        if not is_embedded:
            found += await _check_role()
        found += await _check_keys()
        found += await _check_notes()
        found += await _check_trail()
        return found + await _check_log()
    except (UndefinedTableError, UndefinedColumnError):
        return found  # without a schema nothing more can be checked, and the check of migrations says so
    finally:
        await database.close_pool()


async def _check_role() -> list[Check]:
    """Check whether this role could change the schema, in the environments of the site and of `jobs`."""
    from marketplace.site.health import serving_role
    from marketplace.site.health.checks import Check

    if await serving_role.is_owner():
        return [Check("role", serving_role.OWNER, serving_role.MEND)]
    return [Check("role")]


async def _check_keys() -> list[Check]:
    """Compare the keys with the recorded ones, and try those of names."""
    from marketplace.core.backup.keys import ACCEPT, list_other_keys, sentence_of
    from marketplace.core.errors import Refusal
    from marketplace.site.health.checks import Check
    from marketplace.site.health.identity_keys import refuse_other_identity_keys

    if others := await list_other_keys():
        mend = f"load this installation's own environment file; {ACCEPT}, where you changed keys on purpose"
        return [Check("keys", sentence_of(others), mend)]
    try:
        await refuse_other_identity_keys()
    except Refusal as refusal:
        return [Check("keys", str(refusal), "load this installation's own environment file")]
    return [Check("keys")]


async def _check_notes() -> list[Check]:
    """Read the notes outside the database as a restore would, and name those that wait on this machine."""
    from marketplace.core.errors import Refusal
    from marketplace.core.notes.place import list_waiting
    from marketplace.oversight.rights.erasure_list import read_erasures
    from marketplace.site.health.checks import Check

    try:
        await read_erasures()
    except Refusal as refusal:
        return [Check("notes", str(refusal), "compare PARTAGE_NOTES, and who may read it")]
    if waiting := len(list_waiting()):
        return [Check("notes", f"{waiting} wait on the disk of PARTAGE_STATE.", "marketplace jobs copies them")]
    return [Check("notes")]


async def _check_trail() -> list[Check]:
    """Compare the audit trail with its copy, in the environment of `jobs`, which writes it."""
    from marketplace.core.errors import Refusal
    from marketplace.core.settings import DEMO_BID_KEY, settings
    from marketplace.people.audit_trail.copying import compare_copy
    from marketplace.site.health.checks import Check

    if settings().bid_key == DEMO_BID_KEY:
        return []
    try:
        await compare_copy()
    except Refusal as refusal:
        return [
            Check("audit trail", str(refusal), "see the manual: when the database restored or its owner is not trusted")
        ]
    return [Check("audit trail")]


async def _check_log() -> list[Check]:
    """Check whether the public log may continue and its witnesses are read, in the environment of `jobs`."""
    from marketplace.core.errors import Refusal
    from marketplace.core.settings import DEMO_LOG_KEY, settings
    from marketplace.oversight.public_log.actions import read_published
    from marketplace.oversight.public_log.after_restore import refuse_unless_last
    from marketplace.oversight.public_log.queries import current_origin
    from marketplace.site.health.checks import Check

    if settings().log_key == DEMO_LOG_KEY:
        return []
    try:
        origin = await current_origin()
        await refuse_unless_last(origin, await read_published(origin))
    except Refusal as refusal:
        return [
            Check(
                "public log", getattr(refusal, "cause", str(refusal)), "see the manual: the public log, after a restore"
            )
        ]
    return [Check("public log")]


COMMAND = Command("doctor", run)
