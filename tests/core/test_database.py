"""The ground: transactions that neither leak nor pretend."""

import asyncio

import pytest

from marketplace.core.database import DB, execute, transaction
from tests.support.reads import fetch_value


@pytest.mark.owner("it makes a table")
async def test_a_nested_transaction_is_a_savepoint() -> None:
    async with transaction():
        await execute("CREATE TABLE kept (n int)")
        with pytest.raises(ZeroDivisionError):
            async with transaction():
                await execute("INSERT INTO kept VALUES (1)")
                raise ZeroDivisionError
        await execute("INSERT INTO kept VALUES (2)")
    assert await fetch_value("SELECT sum(n) FROM kept") == 2


@pytest.mark.owner("it makes tables")
async def test_a_failed_commit_gives_its_connection_back() -> None:
    await execute("CREATE TABLE parent (id int PRIMARY KEY)")
    await execute("CREATE TABLE child (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    for _ in range(3):
        with pytest.raises(Exception, match="violates foreign key"):
            async with transaction():
                await execute("INSERT INTO child VALUES (1)")
    assert DB.pool
    size, idle = DB.pool.get_size(), DB.pool.get_idle_size()
    assert size == idle


async def test_a_child_task_cannot_join_its_parents_transaction() -> None:
    async with transaction():
        with pytest.raises(AssertionError, match="child task"):
            await asyncio.create_task(fetch_value("SELECT 1"))
