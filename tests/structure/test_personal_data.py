"""Every table declares the personal data in it, the manual lists it, and erasing a person does what was declared."""

import uuid

import pytest

from marketplace.catalogue.search import saved
from marketplace.catalogue.search.rules import State
from marketplace.core.database import fetch_scalar
from marketplace.core.personal_data import Erasure
from marketplace.core.settings import settings
from marketplace.people.identity import actions
from marketplace.people.identity.guards import begin_session
from marketplace.people.sign_in import passkeys
from marketplace.people.sign_in.address_changes import request_change
from marketplace.people.sign_in.factor_actions import add_passkey, start_authenticator
from marketplace.people.sign_in.provider_actions import link
from marketplace.people.sign_in.provider_rules import Provider
from migrations.schema import tables
from tests.people.builders import make_partner
from tests.personal_data import PAGE, page_of_tables, undeclared_tables
from tests.support.ratchet import check

PERSONAL = {"person", "subscriber", "email", "iban", "payee"}
"""Columns that have somebody's data, or lead to it."""


def test_every_table_declares_its_personal_data() -> None:
    check(undeclared_tables)


@pytest.mark.parametrize("table", [table for table in tables() if hasattr(table, "personal_data")], ids=str)
def test_a_table_with_a_column_of_people_has_their_data(table: type) -> None:
    columns = {column._meta.name for column in table._meta.columns}  # type: ignore[attr-defined]
    parents = {
        column._foreign_key_meta.resolved_references._meta.tablename for column in table._meta.foreign_key_columns
    }  # type: ignore[attr-defined]
    if columns & PERSONAL or parents & {"person", "subscriber"}:
        assert table.personal_data.erasure is not Erasure.NOTHING  # type: ignore[attr-defined]


def test_the_manual_lists_every_table() -> None:
    assert PAGE.read_text() == page_of_tables(), "run `python -m tests.personal_data`"


ROWS_OF_A_PERSON = {
    "person": "id = $1",
    "session": "person = $1",
    "invitation": "email = $2",
    "authenticator": "person = $1",
    "passkey": "person = $1",
    "passkey_challenge": "person = $1",
    "recovery_code": "person = $1",
    "address_change": "person = $1",
    "identity_link": "person = $1",
    "saved_search": "person = $1",
}
"""Where a table that is erased at once has a person's rows: $1 person, $2 email."""


async def test_erasing_a_person_deletes_what_tables_declare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTAGE_URL", "https://partage.example")  # passkeys are bound to a name
    settings.cache_clear()
    declared = {
        table._meta.tablename
        for table in tables()
        if getattr(table, "personal_data", None) and table.personal_data.erasure is Erasure.DELETED
    }
    assert declared == ROWS_OF_A_PERSON.keys()

    async def count(table: str, person: uuid.UUID, email: str) -> int:
        where = f"{ROWS_OF_A_PERSON[table]} AND ($1::uuid, $2::text) IS NOT NULL"
        return await fetch_scalar(int, f"SELECT count(*) FROM {table} WHERE {where}", person, email) or 0

    partner, email = await make_partner(), "nadia@atelier.example"
    code = await actions.invite_colleague(partner, email=email, name="Nadia", invitation_id=uuid.uuid4())
    person = await actions.accept_invitation(code, "a rather long sentence", "fr")
    await begin_session(person)
    await link(person, Provider("x", "X", "https://x.example", "us"), "nadia")
    await request_change(person, "nadia@elsewhere.example")
    await saved.save(person, State(), "all", search_id=uuid.uuid4())
    await start_authenticator(person)
    await add_passkey(person, "phone", b"credential", b"key", 0)
    await passkeys.options_to_show(person, "s")
    for table in declared:
        assert await count(table, person, email), f"{table} has a row of hers before"
    await actions.erase_person(person)
    for table in declared:
        assert not await count(table, person, email), f"{table} has none after"
