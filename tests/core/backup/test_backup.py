"""Backup and restore: whole or refused, nothing readable in between, and not a cent lost or doubled afterwards."""

import asyncio
import datetime as dt
import os
import random
import uuid
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from marketplace.core import clock, object_store
from marketplace.core.backup.actions import (
    _dump,
    back_up,
    back_up_in_turn,
    missing_keys,
    move_objects,
    new_key,
    note_restoration,
    restore,
)
from marketplace.core.backup.archive import Manifest
from marketplace.core.backup.proof import Inventory, prove
from marketplace.core.backup.queries import find_last_backup, find_last_restoration
from marketplace.core.backup.unfinished import remove_mark
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.reconciliation.exception_queries import list_exceptions_since
from marketplace.finance.reconciliation.restore_gap import list_gap
from marketplace.money.ledger.chart import STRIPE
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.actions import request_refund
from marketplace.money.payments.balance import mirror_balance, read_balance
from marketplace.money.payments.events import handle_events, sweep_events
from marketplace.money.payments.outbox import look_before_calling
from marketplace.money.payments.queries import get_payment
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.oversight.invariants import broken
from marketplace.sales.orders.refunds import record_refunds
from marketplace.sales.orders.settling import settle_paid
from migrations.runner import migrate
from tests.core.backup.machines import empty_machine
from tests.core.builders import NAMES, put_objects
from tests.finance.builders import sales
from tests.finance.builders.statements import Entry, Statement
from tests.people.builders import make_staff
from tests.support.reads import fetch, fetch_value


async def restored(place: str, key: Path) -> Manifest:
    """Restore as the command does."""
    manifest = await restore(place, key)
    await migrate()
    await note_restoration(manifest)
    await look_before_calling()
    await remove_mark()
    return manifest


@pytest.mark.long
async def test_a_backup_is_whole_and_only_its_key_opens_it(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    await sales.write_shop()
    objects = await put_objects()
    public = new_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict, match="cannot be written"):
        new_key(tmp_path / "key")
    place, manifest = await back_up(str(tmp_path / "backups"), [public])
    sealed = (tmp_path / "backups" / place).read_bytes()
    assert sealed.startswith(b"age-encryption.org/v1")
    keys = (settings().signing_key, settings().bid_key, settings().secret, settings().identity_keys.partition(":")[2])
    for secret in (b"Acme", objects[NAMES[1]][:64], *(key.encode() for key in keys)):
        assert secret not in sealed
    assert not any(key in str(manifest.keys) for key in keys), "ids of keys, never keys"
    other = tmp_path / "other"
    new_key(other)
    (tmp_path / "short.age").write_bytes(sealed[:-1000])
    (tmp_path / "flipped.age").write_bytes(sealed[:500_000] + bytes([sealed[500_000] ^ 1]) + sealed[500_001:])
    async with empty_machine(postgres, tmp_path / "there"):
        with pytest.raises(Invalid, match="does not open"):
            await restore(place, other)
        for damaged in ("short.age", "flipped.age"):
            with pytest.raises((Invalid, Conflict)):
                await restore(str(tmp_path / damaged), tmp_path / "key")
            assert await fetch_value("SELECT to_regclass('migration') IS NULL"), "nothing of it came into the database"
        again = await restored(place, tmp_path / "key")
        assert again == manifest
        assert {name: await object_store.get(name) for name in NAMES} == objects
        assert await fetch_value("SELECT company FROM partner") == "Acme"
        assert await broken() == []
        assert missing_keys(again) == []
        found = await find_last_restoration()
        assert found is not None
        assert found.backed_up_at.isoformat() == manifest.made_at
        with pytest.raises(Conflict, match="not empty"):
            await restore(place, tmp_path / "key")
        assert missing_keys(again) == []
        os.environ["PARTAGE_IDENTITY_KEYS"] = "new:" + "ab" * 32
        settings.cache_clear()
        assert missing_keys(again) == ["PARTAGE_IDENTITY_KEYS demo"]


@pytest.mark.long
async def test_what_a_superuser_made_for_the_server_hinders_no_restore(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """A hosted PostgreSQL has extensions and publications that our role may neither make nor comment."""
    of_the_server = "CREATE EXTENSION vector; CREATE PUBLICATION everything FOR ALL TABLES"
    async with empty_machine(postgres, tmp_path / "here") as here:
        await migrate()
        postgres.run_sql(of_the_server, here)
        place, manifest = await back_up(str(tmp_path / "backups"), [new_key(tmp_path / "key")])
    for there in ("", "CREATE EXTENSION vector"):
        async with empty_machine(postgres, tmp_path / f"there{len(there)}") as name:
            postgres.run_sql(there, name)
            assert await restored(place, tmp_path / "key") == manifest
            assert await broken() == []


@pytest.mark.long
async def test_a_backup_that_lacks_a_row_or_a_function_is_not_proven(tmp_path: Path) -> None:
    await sales.write_shop()
    with (tmp_path / "dump").open("w+b") as dumped:
        _, _, whole = await _dump(dumped)
        assert whole.rows["partner"] == 1
        assert {part.split()[0] for part in whole.parts} == {"function", "trigger", "index", "constraint"}
        await prove(dumped, whole)
        with pytest.raises(Conflict, match="table partner has 1 rows in place of 2"):
            await prove(dumped, Inventory(whole.rows | {"partner": 2}, whole.parts))
        with pytest.raises(Conflict, match=r"function lost\(\) is missing"):
            await prove(dumped, Inventory(whole.rows, [*whole.parts, "function lost()"]))
        dumped.truncate(1000)
        with pytest.raises(Conflict, match="could not be proven: pg_restore failed"):
            await prove(dumped, whole)


@pytest.mark.long
async def test_a_backup_that_another_operator_signed_is_refused(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Age says nothing of who wrote a file: anyone who has the public key could have us restore a world of theirs."""
    place, _ = await back_up(str(tmp_path), [new_key(tmp_path / "key")])
    async with empty_machine(postgres, tmp_path / "there"):
        os.environ["PARTAGE_SIGNING_KEY"] = "ab" * 32
        settings.cache_clear()
        with pytest.raises(Invalid, match="PARTAGE_SIGNING_KEY"):
            await restore(place, tmp_path / "key")
        assert await fetch_value("SELECT to_regclass('migration') IS NULL")
        os.environ.pop("PARTAGE_SIGNING_KEY")


async def test_without_a_public_key_nothing_is_written(tmp_path: Path) -> None:
    for keys, why in (([], "public key"), (["age1nonsense"], "no public key")):
        with pytest.raises(Invalid, match=why):
            await back_up(str(tmp_path / "backups"), keys)
    assert not (tmp_path / "backups").exists()


@pytest.mark.long
async def test_jobs_delete_old_backups_only_once_a_new_one_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    made = [clock.now() - dt.timedelta(days=days) for days in (1, 6, 8, 400)]
    names = [f"partage-{instant:%Y%m%dT%H%M%S%f}Z.age" for instant in made]
    others = ["notes.txt", "partage-2020.age", names[3] + ".copy"]
    for name in (*names, *others):
        (folder / name).write_bytes(b"x")
    assert await back_up_in_turn() == 0, "no place is set"
    os.environ |= {"PARTAGE_BACKUPS": str(folder), "PARTAGE_BACKUP_DAYS": "7"}
    settings.cache_clear()
    with pytest.raises(Invalid, match="public key"):
        await back_up_in_turn()
    assert {path.name for path in folder.iterdir()} == {*names, *others}
    assert await find_last_backup() is None
    os.environ["PARTAGE_BACKUP_KEY"] = new_key(tmp_path / "key")
    settings.cache_clear()
    assert await back_up_in_turn() == 2
    (new,) = {path.name for path in folder.iterdir()} - {*names, *others}
    assert {path.name for path in folder.iterdir()} == {*names[:2], *others, new}
    last = await find_last_backup()
    assert last is not None
    assert new == f"partage-{last:%Y%m%dT%H%M%S%f}Z.age"
    with clock.shifted(dt.timedelta(days=8)):
        assert await back_up_in_turn() == 3
    assert len(list(folder.glob("partage-*Z.age"))) == 1


async def test_objects_move_to_another_store_whole(tmp_path: Path) -> None:
    objects = await put_objects()
    there = (tmp_path / "there").as_uri()
    for _ in range(2):
        assert await move_objects(there) == len(objects)
    os.environ["PARTAGE_OBJECTS"] = there
    settings.cache_clear()
    assert {name: await object_store.get(name) for name in NAMES} == objects
    await object_store.put("more", b"x")
    os.environ["PARTAGE_OBJECTS"] = ""
    settings.cache_clear()
    with pytest.raises(Conflict, match="not from here"):
        await move_objects(there)


class Seller:
    """Sells at Stripe, at random, and hears of it only now and then."""

    def __init__(self, stripe: Any, seed: int) -> None:
        self.stripe, self.chance = stripe, random.Random(seed)  # noqa: S311 (the same sales every run)
        self.paid: list[uuid.UUID] = []

    async def sell(self, steps: int) -> None:
        for _ in range(steps):
            if self.paid and self.chance.random() < 0.3:
                await self.refund(self.chance.choice(self.paid))
            else:
                await self.order()
            if self.chance.random() < 0.5:
                await hear_from_stripe()

    async def order(self) -> None:
        order = await sales.write_order()
        await run_commands()
        if self.chance.random() < 0.8:
            session = (await get_payment(order)).session_id
            await asyncio.to_thread(self.stripe.test, "pay", session=session, token="tok_bypassPending")
            self.paid.append(order)

    async def refund(self, order: uuid.UUID) -> None:
        await hear_from_stripe()
        left = await get_payment(order)
        if left.received_minor > left.refunded_minor:
            amount = self.chance.randint(1, left.received_minor - left.refunded_minor)
            await request_refund(order, amount_minor=amount, refund_id=uuid.uuid4())
            if self.chance.random() < 0.7:
                await run_commands()


async def hear_from_stripe() -> None:
    """Do what the jobs do when Stripe has news."""
    for job in (run_commands, sweep_events, handle_events, settle_paid, mirror_balance, record_refunds):
        await job()


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(2, 8))])
async def test_after_a_restore_no_cent_is_lost_or_doubled(
    stripe: Any, postgres: EmbeddedPostgres, tmp_path: Path, seed: int
) -> None:
    await sales.write_shop()
    seller = Seller(stripe, seed)
    before = seller.chance.randint(1, 5)
    after = 7 - before
    await seller.sell(before)
    clerk = await make_staff("Ada")
    day = clock.now().astimezone(ZoneInfo("Europe/Paris")).date()
    today = Statement([Entry(-30, "B1", day=day), Entry(500, "B2", day=day)], opening=1_000, day=day)
    later = [Entry(-7, "B3", day=day), Entry(80, "B4", day=day)]
    tomorrow = Statement(later, opening=1_470, name="S2", message="M2", day=day)
    await import_bank_statement(today.xml(), person=clerk.person, new_account=True)
    place, manifest = await back_up(str(tmp_path), [new_key(tmp_path / "key")])
    known = {row["id"] for row in await fetch("SELECT id FROM purchase_order")}
    await seller.sell(after)
    await import_bank_statement(tomorrow.xml(), person=clerk.person)
    there = Counter({one["id"]: one["net"] for one in stripe.list("balance_transactions")})
    async with empty_machine(postgres, tmp_path / "there"):
        await restored(place, tmp_path / "key")
        with clock.shifted(dt.timedelta(minutes=3)):  # the lease of a command that a worker had claimed is over
            for _ in range(3):
                await execute("UPDATE stripe_command SET next_at = $1 WHERE state = 'pending'", clock.now())
                await hear_from_stripe()
        for statement in (today, tomorrow):
            await import_bank_statement(statement.xml(), person=clerk.person)
        after_all = Counter({one["id"]: one["net"] for one in stripe.list("balance_transactions")})
        assert there.items() <= after_all.items()
        here = Counter(
            {row["id"]: row["net_minor"] for row in await fetch("SELECT id, net_minor FROM balance_transaction")}
        )
        assert here == after_all, "each of Stripe's transactions is here once"
        assert await balance(STRIPE) == await read_balance() == sum(after_all.values())
        assert await fetch_value("SELECT count(*) FROM bank_line") == 4
        refunds = stripe.list("refunds")
        commands = [one["metadata"]["command"] for one in refunds]
        assert len(set(commands)) == len(commands), "no refund was made twice"
        assert await broken() == []
        since = dt.datetime.fromisoformat(manifest.made_at)
        strangers = sum(
            f.amount_minor or 0 for f in await list_exceptions_since(since) if f.why == "charge_without_payment"
        )
        lost = [order for order in seller.paid if order not in known]
        assert strangers == len(lost) * (sales.NET + sales.VAT), "every payment of a lost order is named"
        gap = await list_gap()
        assert sum("charge_without_payment" in line for line in gap) == len(lost)
        assert any("line_unexplained B3" in line for line in gap)


@pytest.mark.deep
async def test_a_transfer_of_the_gap_is_looked_for_before_another_is_made(
    stripe: Any, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """The run was approved when the backup was made, and sent after it; Stripe has forgotten the keys of its transfers."""
    from marketplace.subscribers.payouts import actions as payouts  # noqa: PLC0415
    from tests.subscribers.builders.payees import paying_through_stripe  # noqa: PLC0415

    async with paying_through_stripe(stripe):
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        run = await payouts.draft(nora, route="stripe")
        assert run
        await payouts.approve(run, paul, reason="checked")
        place, _ = await back_up(str(tmp_path), [new_key(tmp_path / "key")])
        await payouts.send(run, nora)
        await run_commands()
        assert len(stripe.list("transfers")) == 2
        stripe.test("forget_keys")
        async with empty_machine(postgres, tmp_path / "there"):
            await restored(place, tmp_path / "key")
            await payouts.send(run, nora)
            await run_commands()
            assert len(stripe.list("transfers")) == 2, "nobody is paid twice"
            assert await payouts.follow_transfers() == 2
            assert await broken() == []
