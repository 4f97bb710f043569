"""`stripe`: Our account at Stripe, set up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from marketplace.commands.command import Command

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "verb", choices=("setup",), help="setup: the webhook endpoint, and what the account still lacks"
    )
    parser.add_argument("--replace", action="store_true", help="make a new endpoint with a new secret")


def run(arguments: argparse.Namespace) -> int:
    """Have Stripe's webhook endpoint get the events that are handled and no others, and say what the account lacks."""
    from marketplace.money.payments.account_setup import set_up
    from marketplace.money.payments.rules import HANDLED_EVENTS

    report = asyncio.run(set_up(replace=arguments.replace))
    done = "made" if report.plan.creates else "changed" if report.plan.updates else "as it should be"
    print(f"{report.url}: {done}, {len(HANDLED_EVENTS)} types of events, API version {report.api_version}.")
    if report.plan.deletes:
        print(f"Former endpoints deleted: {len(report.plan.deletes)}.")
    if report.secret:
        print("Missing: the secret. Set this for web and jobs, start them again, and run this command once more:")
        print(f"STRIPE_WEBHOOK_SECRET={report.secret}")
    for sentence in report.missing:
        print(f"Missing: {sentence}")
    for sentence in report.remarks:
        print(f"Note: {sentence}")
    return 1 if report.missing or report.secret else 0


COMMAND = Command("stripe", run, arguments)
