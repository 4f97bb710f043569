"""`init`: The keys, made, and every setting checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.commands.command import Command

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "folder",
        nargs="?",
        default="environment",
        type=Path,
        help="where the files are, or will be; `environment` unless said",
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the keys that are missing, in an environment file each for web, jobs and migrate, and say which settings still are."""
    import os
    from dataclasses import fields

    from marketplace.core.environment_files import complete, read_file
    from marketplace.core.setting_checks import check, notes
    from marketplace.core.settings import ROLES, Settings

    defaults = {f.metadata["variable"]: f.metadata["default"] for f in fields(Settings)}
    given = {
        name: value for name, value in os.environ.items() if name in defaults and value not in {"", defaults[name]}
    }
    for line in complete(arguments.folder, given):
        print(line)
    needed: dict[str, list[str]] = {}
    may_stay: dict[str, list[str]] = {}
    for role in ROLES:
        environment = read_file(arguments.folder / f"{role}.env")
        for sentence in check(environment, role):
            needed.setdefault(sentence, []).append(role)
        for sentence in notes(environment, role):
            may_stay.setdefault(sentence, []).append(role)
    for sentence, roles in needed.items():
        print(f"{', '.join(roles)}: {sentence}")
    for sentence, roles in may_stay.items():
        print(f"{', '.join(roles)} (may stay so): {sentence}")
    missing = f"{len(needed)} to be set before `serve` and `jobs` start" if needed else "nothing is missing"
    print(f"{len(defaults)} settings checked: {missing}.")
    return 1 if needed else 0


COMMAND = Command("init", run, arguments)
