"""Keys of another installation: refused before a site or a worker seals one name with them."""

import secrets

import pytest

from marketplace.commands.command import refuse_unready
from marketplace.core.database import execute
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings
from marketplace.people.identity import actions as identity
from tests.people.builders import PASSWORD


@pytest.mark.usefixtures("database_url")
async def test_identity_keys_of_another_installation_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings().identity_keys
    name = own.partition(":")[0]

    def use(keys: str) -> None:
        monkeypatch.setenv("PARTAGE_IDENTITY_KEYS", keys)
        settings.cache_clear()

    other = secrets.token_hex(32)
    use(f"{name}:{other}")
    assert await refuse_unready() == 0, "nothing is sealed yet"
    use(own)
    await identity.add_subscribers([7, 8])
    for line, code in await identity.issue_activation_codes([7, 8]):
        await identity.claim_line(line, code, email=f"line{line}@people.example", name="Lucie", password=PASSWORD)
    for keys in (f"{name}:{other}", f"other:{other}"):
        use(keys)
        with pytest.raises(Conflict, match=f"do not open the names in this database, sealed by {name}"):
            await refuse_unready()
    for keys in (f"newer:{other},{own}", own):
        use(keys)
        assert await refuse_unready() == 0
    await execute("UPDATE person SET sealed = '\\x00'::bytea WHERE subscriber = 7")
    assert await refuse_unready() == 0, "one damaged name closes no site"
