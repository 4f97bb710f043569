"""`sandbox`: A sandbox for partners: seeded data with keys of its own, entered by a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command

if TYPE_CHECKING:
    import argparse


def run(_: argparse.Namespace) -> int:
    """Start a sandbox for the partners of PARTAGE_SANDBOX_OF: made-up data, a local Stripe counterpart, and no real money."""
    import os
    from dataclasses import fields

    from marketplace.core.environment_files import complete, read_file
    from marketplace.core.errors import Invalid
    from marketplace.core.setting_checks import sandbox_problems
    from marketplace.core.settings import Settings, settings

    keys = settings().state / "keys"
    complete(keys, {})
    made = {**read_file(keys / "web.env"), **read_file(keys / "jobs.env")}
    ours = [f.metadata["variable"] for f in fields(Settings) if f.metadata["make"]]
    os.environ.update({name: made[name] for name in ours if name in made and name not in os.environ})
    os.environ.update({"PARTAGE_REHEARSAL": "1", "STAFF_SECOND_FACTOR": "0"})
    settings.cache_clear()
    if not settings().sandbox_of:
        raise Invalid("Set PARTAGE_SANDBOX_OF to the public key at /api/v1/keys of the site whose partners enter.")
    for sentence in sandbox_problems(settings()):
        raise Invalid(sentence)
    from marketplace.commands.demo import run_everything

    return run_everything()


COMMAND = Command("sandbox", run)
