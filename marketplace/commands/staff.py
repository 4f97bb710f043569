"""`staff`: Stewards, finance clerks and auditors, added, ended and listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    from marketplace.people.identity.rules import ROLES

    verbs = parser.add_subparsers(dest="verb", required=True, metavar="add|end|list")
    add = verbs.add_parser("add", help="invite someone; prints a link that works once, for a week")
    add.add_argument("email")
    add.add_argument("--name", required=True, help="as the audit trail will show it")
    add.add_argument("--role", required=True, choices=ROLES)
    end = verbs.add_parser("end", help="remove someone, or withdraw an invitation, at once")
    end.add_argument("email")
    verbs.add_parser("list", help="show who is, was, and was invited")


async def run(arguments: argparse.Namespace) -> None:
    """Add a steward, finance clerk or auditor by a link with which they choose a password, end one at once, or list them."""
    await {"add": _add, "end": _end, "list": _list}[arguments.verb](arguments)


async def _add(arguments: argparse.Namespace) -> None:
    from marketplace.core.settings import settings
    from marketplace.people.identity.staff import invite_staff

    code = await invite_staff(arguments.email, arguments.name, arguments.role)
    print(f"{settings().url}/join/{code}")
    print(f"Give this link to {arguments.name}: it works once, for a week, and is shown only now.")


async def _end(arguments: argparse.Namespace) -> None:
    from marketplace.people.identity.staff import end_staff, list_staff_members

    await end_staff(arguments.email)
    print(f"{arguments.email} has no access any more.")
    if not any(one.staff_role == "steward" and one.ended_at is None for one in await list_staff_members()):
        print("No steward is left: add one with `staff add`.")


async def _list(_: argparse.Namespace) -> None:
    from marketplace.people.identity.staff import list_staff_invitations, list_staff_members

    for one in await list_staff_members():
        until = f"until {one.ended_at:%Y-%m-%d}" if one.ended_at else "in office"
        print(f"{one.staff_role}  {one.email}  {one.name}  since {one.created_at:%Y-%m-%d}, {until}")
    for invited in await list_staff_invitations():
        print(f"{invited.staff_role}  {invited.email}  {invited.name}  invited, until {invited.expires_at:%Y-%m-%d}")


COMMAND = Command("staff", on_database(run), arguments)
