"""`dry-run`: A release, on simulated people, before a budget is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, instant, on_database

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("dataset", help="code of the dataset")
    parser.add_argument(
        "--from",
        dest="period_from",
        type=instant,
        help="start of the period, included; by default the latest whole week",
    )
    parser.add_argument("--to", dest="period_to", type=instant, help="end of the period, excluded")
    parser.add_argument(
        "--consent", type=float, help="percent of the lines that consent, in place of the last noised share"
    )


async def run(arguments: argparse.Namespace) -> None:
    """Say what a release would be like, on simulated people: cells, error, threshold and price, for several ways to build it."""
    from marketplace.catalogue.steward.dry_run_queries import run as run_dry
    from marketplace.core.errors import Invalid
    from marketplace.core.local_time import instant_at
    from marketplace.core.progress import Progress
    from marketplace.datasets.releases.queries import get_dataset

    time_zone = (await get_dataset(arguments.dataset)).time_zone
    if (arguments.period_from is None) != (arguments.period_to is None):
        raise Invalid("State both --from and --to, or neither.")
    period = None
    if arguments.period_from is not None:
        period = (instant_at(arguments.period_from, time_zone), instant_at(arguments.period_to, time_zone))
    consent = None if arguments.consent is None else arguments.consent / 100
    with Progress() as progress:
        priced = await run_dry(arguments.dataset, period, consent=consent, report=progress)
    assumed = priced.found.assumed
    source = f"as last noised for {assumed.noised_of}" if assumed.noised_of else "assumed"
    fitted = "fitted to the last release" if assumed.is_fitted else "assumed"
    print(
        f"{priced.found.period_from.isoformat()} to {priced.found.period_to.isoformat()}: {100 * assumed.consent:.1f} % of "
        f"{priced.found.declared.population} lines consent ({source}), {assumed.sightings:.2f} sightings a day ({fitted})"
    )
    print("zones grain epsilon cells of median error threshold price")
    for row in priced.rows:
        s, f = row.variant.specification, row.variant.foreseen
        amount = "-" if row.amount_minor is None else f"{row.amount_minor / 100:.2f}"
        print(
            f"{s.resolution}:{len(s.zones)} {s.grain} {s.epsilon_micro / 1_000_000:g} {f.cells} {f.key_count} "
            f"{f.median_people} {(f.noise_variance_micro / 1_000_000) ** 0.5:.1f} {f.threshold} {amount}"
            + (" (as declared)" if row.variant.is_declared else "")
        )


COMMAND = Command("dry-run", on_database(run), arguments)
