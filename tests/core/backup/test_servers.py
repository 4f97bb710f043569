"""The note of the server: what it differs from is refused until the operator says what is true of it."""

import msgspec
import pytest

from marketplace.commands.command import refuse_unready
from marketplace.core.backup import servers
from marketplace.core.backup.servers import Server
from marketplace.core.database import execute, fetch_scalar
from marketplace.core.errors import Conflict
from marketplace.site.health.checks import examine

pytestmark = pytest.mark.owner("the note is a schema's comment, which the owner writes at migrate and restore")


async def note_of_server(server: Server) -> None:
    """Leave the note of a server, as a database has it that came from there."""
    await servers.note_server()
    text = await fetch_scalar(str, "SELECT quote_literal($1)", msgspec.json.encode(server).decode())
    await execute(f"COMMENT ON SCHEMA {servers.SCHEMA} IS {text}")


async def test_a_database_on_another_timeline_or_server_than_noted_is_refused_until_it_is_noted() -> None:
    here = await servers.find_server()
    assert here
    assert await refuse_unready(is_embedded=True) == 0, "nothing is noted yet"
    await servers.note_first_server()
    assert await servers.find_noted() == here
    for other in (Server(here.system, here.timeline + 1), Server("1", here.timeline)):
        await note_of_server(other)
        await servers.note_first_server()
        assert await servers.find_noted() == other, "a migration changes no note"
        with pytest.raises(Conflict, match="--nothing-lost"):
            await refuse_unready(is_embedded=True)
        assert [one.problem for one in await examine() if one.name == "server"] == [servers.GONE_BACK]
    await servers.note_server()
    assert await refuse_unready(is_embedded=True) == 0
    assert [one.problem for one in await examine() if one.name == "server"] == [""]
    await execute(f"DROP SCHEMA {servers.SCHEMA}")
