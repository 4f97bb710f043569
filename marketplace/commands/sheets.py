"""`sheets`: Markets' price sheets and the law of volume, stated from files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, instant, on_database
from pricing.money import EUR

if TYPE_CHECKING:
    import argparse
    import datetime as dt

    from marketplace.people.identity.actors import Actor


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|define|propose|state|law")
    verbs.add_parser("list", help="show the markets, their sheets in force, and the laws of volume")
    define = verbs.add_parser("define", help="define the market of what a dataset counts")
    define.add_argument("market", help="its code, such as presence-day")
    define.add_argument("--dataset", required=True, help="the dataset whose figures it counts")
    define.add_argument("--title-fr", required=True)
    define.add_argument("--title-en", required=True)
    define.add_argument("--currency", default=EUR)
    propose = verbs.add_parser("propose", help="print constants to begin from: a row for each zone of its datasets")
    propose.add_argument("market")
    propose.add_argument("--people", type=int, default=1_000, help="of a zone in whose area nobody is published")
    state = verbs.add_parser("state", help="state a sheet's next version; what it says already changes nothing")
    state.add_argument("market")
    state.add_argument("constants", help="CSV file: zone, weight, people, group")
    state.add_argument("terms", help="JSON file: segments, worth_micro, half_life_hours, rights, purposes")
    state.add_argument("--dry-run", action="store_true", help="print what prices would become, and state nothing")
    law = verbs.add_parser("law", help="state a law of volume; what it says already changes nothing")
    law.add_argument("law", help="JSON file: currency, volume ([[from, basis points], …] in cents), least_minor")
    for verb in (state, law):
        verb.add_argument("--from", dest="starts_at", type=instant, help="when it starts; as soon as stated without it")


async def run(arguments: argparse.Namespace) -> None:
    """List markets, define one, propose constants, state a price sheet's next version or a law of volume, from files."""
    verbs = {"list": _list, "define": _define, "propose": _propose, "state": _state, "law": _law}
    await verbs[arguments.verb](arguments)


def _command() -> Actor:
    """Return who the audit trail says it was."""
    from marketplace.people.identity.actors import Actor

    return Actor(name="command", role="steward")


async def _list(_: argparse.Namespace) -> None:
    from marketplace.catalogue.sheets.queries import list_laws
    from marketplace.catalogue.steward.queries import list_markets
    from marketplace.core import clock

    for row in await list_markets(clock.now()):
        stated = f"version {row.number} since {row.starts_at:%Y-%m-%d}" if row.starts_at else "no version in force"
        zones = f"{row.zone_table or 'H3'} {row.h3_resolution}"
        sold = ", ".join(row.on_sale) or "nothing on sale"
        print(f"{row.code}  {row.product} by {row.grain}, {zones}  {stated}  {row.currency}  {sold}")
    for law in await list_laws():
        steps = ", ".join(f"{start / 100:.2f}: {rate / 100:g}%" for start, rate in law.steps)
        print(f"law  {law.currency}  from {law.starts_at:%Y-%m-%d}  {steps}  at least {law.least_minor / 100:.2f}")


async def _define(arguments: argparse.Namespace) -> None:
    from marketplace.catalogue.steward.sheet_actions import define_market

    titles = (arguments.title_fr, arguments.title_en)
    code = await define_market(
        _command(), arguments.market, dataset=arguments.dataset, titles=titles, currency=arguments.currency
    )
    print(f"The market {code} is defined; state its sheet with `sheets state`.")


async def _propose(arguments: argparse.Namespace) -> None:
    from marketplace.catalogue.steward.sheet_actions import propose_constants

    print((await propose_constants(arguments.market, arguments.people)).decode("utf-8-sig"), end="")


async def _state(arguments: argparse.Namespace) -> None:
    import uuid

    from marketplace.catalogue.offers.previews import preview
    from marketplace.catalogue.offers.stated import state_sheet
    from marketplace.catalogue.sheets.queries import get_sheet, list_versions
    from marketplace.catalogue.sheets.rules import document_of_files, write
    from marketplace.core import clock
    from marketplace.datasets.geography.queries import get_geography

    market = await get_sheet(arguments.market)
    geography = await get_geography(market.zone_table)
    constants, terms = _content(arguments.constants), _content(arguments.terms)
    document = document_of_files(constants, terms, geography, market.h3_resolution)
    if arguments.dry_run:
        changes = await preview(market.code, document, clock.now())
        for row in changes.rows:
            before, after = (_amount(minor) for minor in (row.today_minor, row.next_minor))
            print(f"{row.of.dataset}  {row.of.period_from:%Y-%m-%d}  {before} -> {after}")
        print(f"total on sale  {_amount(changes.today_minor)} -> {_amount(changes.next_minor)} {market.currency}")
        return
    stated = await list_versions(market.code)
    if stated and stated[0].document == write(document):
        print(f"The sheet {market.code} says so already: version {stated[0].number}.")
        return
    await state_sheet(
        market.code,
        document,
        _command(),
        version=uuid.uuid4(),
        starts_at=_aware(arguments.starts_at),
        follows=len(stated),
    )
    print(f"The sheet {market.code} is stated: {len(document.zones)} zones, in {', '.join(document.groups)}.")


async def _law(arguments: argparse.Namespace) -> None:
    import uuid

    from marketplace.catalogue.sheets.queries import list_laws
    from marketplace.catalogue.sheets.rules import law_of_file
    from marketplace.catalogue.steward.sheet_actions import last_stated, state_law

    law = law_of_file(_content(arguments.law))
    known = [one for one in await list_laws() if one.currency == law.currency]
    last = max(known, key=lambda one: one.stated_at, default=None)
    if last and (last.steps, last.least_minor) == ([tuple(step) for step in law.volume], law.least_minor):
        print(f"The law of volume in {law.currency} says so already.")
        return
    await state_law(
        _command(), law, law_id=uuid.uuid4(), starts_at=_aware(arguments.starts_at), seen=last_stated(known)
    )
    print(f"The law of volume in {law.currency} is stated; an order costs at least {_amount(law.least_minor)}.")


def _content(path: str) -> bytes:
    from pathlib import Path

    return Path(path).read_bytes()


def _aware(at: dt.datetime | None) -> dt.datetime | None:
    """Return an instant in UTC; one without an offset is on the clock of Paris, as on the pages."""
    from marketplace.core.local_time import instant_at

    return instant_at(at, "Europe/Paris") if at else None


def _amount(minor: int | None) -> str:
    return "none" if minor is None else f"{minor / 100:.2f}"


COMMAND = Command("sheets", on_database(run), arguments)
