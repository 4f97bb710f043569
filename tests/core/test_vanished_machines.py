"""A machine at either end of a database's connection that vanishes is noticed within a minute, on both sides."""

import re
import socket
from typing import Any

from msgspec import Struct

from marketplace.core import database
from marketplace.core.database import DB, fetch_rows
from tests.support.tcp import over_tcp

WANTED = {
    "tcp_keepalives_count": "3",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_user_timeout": "60000",
}
OF_A_SESSION = """SELECT name, coalesce(reset_val, '') AS reset_val, source FROM pg_settings
    WHERE name LIKE 'tcp\\_%' ORDER BY name"""


class Setting(Struct, frozen=True):
    """What a session asked of its server: the value that it would go back to, and where that is from."""

    name: str
    reset_val: str
    source: str


def options_of(connection: Any) -> list[int]:
    ours = connection._transport.get_extra_info("socket")
    kept = [("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 60_000)]
    return [
        ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        *(ours.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name, _ in kept),
    ]


async def test_the_server_ends_the_session_of_a_machine_that_vanished() -> None:
    asked = {row.name: row for row in await fetch_rows(Setting, OF_A_SESSION)}
    assert {name: row.reset_val for name, row in asked.items()} == WANTED
    assert {row.source for row in asked.values()} == {"client"}
    connection = await DB.get_new_connection()
    try:
        rows = await connection.fetch(OF_A_SESSION)
        assert {row["name"]: row["reset_val"] for row in rows} == WANTED, "those that hold locks and listen, too"
    finally:
        await connection.close()


async def test_our_side_ends_the_connection_to_a_server_that_vanished(database_url: str) -> None:
    found = re.search(r"host=([^&]+)", database_url)
    assert found
    await database.close_pool()
    async with over_tcp(found[1]) as (port, _):
        await database.open_pool(database_url.replace("@/", f"@127.0.0.1:{port}/").replace(f"{found[0]}&", ""))
        assert DB.pool
        async with DB.pool.acquire() as connection:
            assert options_of(connection) == [1, 30, 10, 3, 60_000]
        further = await DB.get_new_connection()
        assert options_of(further) == [1, 30, 10, 3, 60_000]
        await further.close()
        await database.close_pool()
    await database.open_pool(database_url)
