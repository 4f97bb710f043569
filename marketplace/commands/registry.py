"""The registry of commands: adding one is a file here and its line below."""

from __future__ import annotations

from typing import Final

from marketplace.commands import (
    addresses,
    backup,
    bounces,
    build,
    check,
    close_month,
    consents,
    demo,
    doctor,
    dry_run,
    factors,
    ingest,
    init,
    jobs,
    keys,
    letters,
    mailbox,
    migrate,
    objects,
    operator_key,
    print_letters,
    restore,
    retract,
    sandbox,
    security_log,
    serve,
    sessions,
    sheets,
    staff,
    stripe,
    stripe_counterpart,
    witness,
)

COMMANDS: Final = tuple(
    module.COMMAND
    for module in (
        demo,
        sandbox,
        init,
        keys,
        staff,
        serve,
        jobs,
        migrate,
        doctor,
        check,
        close_month,
        ingest,
        addresses,
        consents,
        letters,
        operator_key,
        retract,
        sheets,
        dry_run,
        build,
        stripe,
        bounces,
        print_letters,
        backup,
        restore,
        objects,
        security_log,
        sessions,
        factors,
        mailbox,
        witness,
        stripe_counterpart,
    )
)
"""In the order of `--help` and the manual."""
