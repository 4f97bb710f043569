"""What belongs to another installation, or may do too much, ends `serve` and `jobs` in a sentence, and `doctor` names it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from marketplace.commands.command import refuse_unready
from marketplace.core import object_store
from marketplace.core.backup.keys import accept_keys
from marketplace.core.backup.strangers import NOT_OURS
from marketplace.core.errors import Conflict
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings
from marketplace.site.health.checks import examine
from migrations.plan import FUNCTIONS
from tests.catalogue.builders import open_catalogue, seal_week
from tests.people.builders import open_post_office
from tests.support.ports import free_port
from tests.support.production import OPERATORS_OWN, key
from tests.support.reads import fetch_value
from tests.support.server import as_serving
from tests.support.source import ROOT

pytestmark = pytest.mark.deep


def printed_by(*words: str, ends_with: int = 1, **more: str) -> str:
    """Run a command to its end and return all that it printed."""
    ran = subprocess.run(
        [sys.executable, "-m", "marketplace", *words],
        cwd=ROOT,
        env=os.environ | OPERATORS_OWN | more,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == ends_with, (ran.stdout, ran.stderr)
    return ran.stdout + ran.stderr


# ------------------------------------------------------------------ the role
@pytest.mark.owner("it is what is refused")
def test_the_owner_of_the_schema_does_not_serve(database_url: str) -> None:
    refused = printed_by("serve", "--rehearsal", DATABASE_URL=database_url)
    assert refused == (
        "This role owns the schema: it could change what was posted, and drop what keeps it from being changed. Let "
        "DATABASE_URL of `serve` and `jobs` name the role that serves, PARTAGE_SERVING_ROLE of `migrate`.\n"
    )
    assert "WRONG  role: This role owns the schema" in printed_by("doctor", DATABASE_URL=database_url)


def test_a_superuser_does_not_serve_and_the_role_that_serves_does(
    postgres: EmbeddedPostgres, database_url: str
) -> None:
    name = f"test_{database_url.partition('/test_')[2].partition('?')[0]}"
    is_owner = "SELECT pg_has_role({role}, relowner, 'USAGE') FROM pg_class WHERE oid = 'posting'::regclass"
    assert postgres.run_sql(is_owner.format(role="current_user"), name) == "t"
    assert postgres.run_sql(is_owner.format(role="'partage_serving'"), name) == "f"
    assert "well   role" in printed_by("doctor", DATABASE_URL=database_url)


# ------------------------------------------------------------------ keys
async def test_keys_of_another_installation_are_refused_until_they_are_accepted(chosen: pytest.MonkeyPatch) -> None:
    def use(**keys: str) -> None:
        for name, value in keys.items():
            chosen.setenv(name, value)
        settings.cache_clear()

    assert await refuse_unready() == 0, "the first ones are noted"
    assert await fetch_value("SELECT count(*) FROM installation_key") == 3
    noted = str(await fetch_value("SELECT string_agg(key_id, ' ') FROM installation_key"))
    assert settings().secret not in noted
    assert settings().signing_key not in noted
    use(PARTAGE_SECRET="another secret of somebody, long enough")
    with pytest.raises(Conflict, match=r"^PARTAGE_SECRET is not what this installation was set up with"):
        await refuse_unready()
    use(PARTAGE_SIGNING_KEY=key("another"))
    with pytest.raises(Conflict, match=r"^PARTAGE_SIGNING_KEY and PARTAGE_SECRET are not what this"):
        await refuse_unready()
    use(PARTAGE_BID_PUBLIC_KEY=key("anybody's"))
    with pytest.raises(Conflict, match=r"^PARTAGE_SIGNING_KEY, PARTAGE_BID_PUBLIC_KEY and PARTAGE_SECRET are not"):
        await refuse_unready()
    assert len(await accept_keys()) == 3
    assert await accept_keys() == []
    assert await refuse_unready() == 0


def test_serve_and_doctor_name_the_key_that_is_another_and_accept_it(database_url: str) -> None:
    given = {"DATABASE_URL": database_url}
    own = OPERATORS_OWN | {"PARTAGE_REHEARSAL": "1"}
    assert printed_by("keys", "accept", ends_with=0, **own, **given) == "These keys were noted already.\n"
    other = given | own | {"PARTAGE_SECRET": "another secret of somebody, long enough"}
    refused = printed_by("serve", **other)
    assert refused == (
        "PARTAGE_SECRET is not what this installation was set up with. Load its own environment file, or compare "
        "DATABASE_URL. Where you changed keys on purpose, give `marketplace keys accept` first.\n"
    )
    assert "WRONG  keys: PARTAGE_SECRET is not what this installation was set up with." in printed_by("doctor", **other)
    accepted = printed_by("keys", "accept", ends_with=0, **other)
    assert accepted == "Accepted in place of the ones before: PARTAGE_SECRET.\n"
    assert "well   keys" in printed_by("doctor", **other)


# ------------------------------------------------------------------ objects
async def test_a_store_without_the_releases_that_were_published_here_is_refused(
    chosen: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await open_catalogue()
    releases = [await seal_week(weeks_ago=week) for week in range(4)]
    assert await refuse_unready() == 0
    assert await objects_problem() == ""

    await object_store.delete(object_store.cells_key(releases[3]))
    assert await objects_problem() == f"The object store lacks the release {releases[3]}, which was published here."
    assert await refuse_unready() == 0, "one that is lost closes no site"

    chosen.setenv("PARTAGE_OBJECTS", (tmp_path / "empty").as_uri())
    settings.cache_clear()
    nothing = "The object store has no release that was published here: it is empty, or another installation’s."
    assert await objects_problem() == nothing
    with pytest.raises(Conflict, match=f"^{nothing} Compare PARTAGE_OBJECTS and PARTAGE_STATE, or restore a backup"):
        await refuse_unready()


async def objects_problem() -> str:
    return next(check.problem for check in await examine() if check.name == "object store")


def test_a_folder_that_cannot_be_used_is_named_with_the_reason(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = {"DATABASE_URL": database_url, "PARTAGE_STATE": f"{tmp_path}/file/state"}
    stated = f"The folder {tmp_path}/file/state/objects cannot be used: Not a directory. Compare PARTAGE_STATE and"
    assert f"mend: {stated}" in printed_by("doctor", **state)
    (tmp_path / "lines.csv").write_text("subscriber_id,age_band,home_zone\n1,18-34,Z1\n")
    assert printed_by("ingest", "--subscribers", f"{tmp_path}/lines.csv", **state).splitlines()[-1].startswith(stated)
    embedded = printed_by("check", DATABASE_URL="", PARTAGE_STATE=f"{tmp_path}/file/state")
    assert (
        embedded == f"PARTAGE_STATE names the folder {tmp_path}/file/state, which cannot be written: Not a directory.\n"
    )


# ------------------------------------------------------------------ databases
@pytest.fixture
def theirs(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Give the address of a database that another application has its tables in."""
    postgres.run_sql("CREATE DATABASE theirs OWNER partage")
    yield postgres.url("theirs")
    postgres.run_sql("DROP DATABASE theirs WITH (FORCE)")


@pytest.mark.parametrize(
    "table",
    [
        "person (nick text)",
        *(
            pytest.param(table, marks=pytest.mark.deep)
            for table in ("anything (id bigint)", "migration (version bigint)")
        ),
    ],
)
def test_another_applications_database_stays_as_it_is(
    postgres: EmbeddedPostgres, theirs: str, tmp_path: Path, table: str
) -> None:
    postgres.run_sql(f"CREATE TABLE {table}; INSERT INTO {table.partition(' ')[0]} DEFAULT VALUES", "theirs")
    given = {"DATABASE_URL": theirs, "PARTAGE_STATE": str(tmp_path)}
    for words in (["migrate"], ["migrate", "--plan"]):
        assert printed_by(*words, **given) == f"{NOT_OURS}\n"
    doctors = printed_by("doctor", **given)
    assert "Traceback" not in doctors
    assert "WRONG  migrations: " in doctors
    tables = (
        "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    assert postgres.run_sql(tables, "theirs") == table.partition(" ")[0]


OURS = "CREATE TABLE purchase_order (id UUID PRIMARY KEY);"
HAD = """CREATE TABLE migration (id SERIAL PRIMARY KEY, name TEXT, app_name TEXT, ran_on TIMESTAMP DEFAULT now());
         INSERT INTO migration (name, app_name) SELECT name, 'partage' FROM unnest(ARRAY[{}]) AS name;"""


@pytest.mark.parametrize(
    "past",
    [
        pytest.param(
            HAD.format("'2026-11-26T00:00:01', '2026-11-26T00:00:02', '2026-11-30T00:01:30'") + OURS,
            id="made before the first release",
        ),
        pytest.param(OURS, id="made without migrations", marks=pytest.mark.deep),
        pytest.param(HAD.format("'2999-01-01T00:00:01'"), id="made otherwise", marks=pytest.mark.deep),
    ],
)
def test_a_database_of_an_unknown_past_is_refused_in_one_sentence(
    postgres: EmbeddedPostgres, theirs: str, tmp_path: Path, past: str
) -> None:
    postgres.run_sql(f"SET ROLE partage; {past}", "theirs")
    for words in (["migrate"], ["migrate", "--plan"]):
        assert printed_by(*words, DATABASE_URL=theirs, PARTAGE_STATE=str(tmp_path)) == f"{NOT_OURS}\n"


@pytest.mark.owner("the owner alone migrates")
def test_a_newer_versions_migrations_are_no_unknown_past(postgres: EmbeddedPostgres, database_url: str) -> None:
    newer = "INSERT INTO migration (name, app_name) VALUES ('2999-01-01T00:00:01', 'partage')"
    postgres.run_sql(newer, urlsplit(database_url).path[1:])
    assert printed_by("migrate", "--plan", DATABASE_URL=database_url, ends_with=0).startswith(FUNCTIONS)
    done = "Nothing was pending: the database is up to date.\n"
    assert printed_by("migrate", DATABASE_URL=database_url, ends_with=0) == done


def test_the_role_that_serves_is_no_role_to_migrate_with(postgres: EmbeddedPostgres, theirs: str) -> None:
    stated = "This role may not change the schema: load the environment file of `migrate`, and give again.\n"
    assert printed_by("migrate", DATABASE_URL=as_serving(theirs)) == stated
    assert (
        postgres.run_sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace", "theirs") == "0"
    )


def test_doctor_says_why_the_database_cannot_be_reached(database_url: str) -> None:
    printed = printed_by("doctor", DATABASE_URL=database_url.replace("/test_", "/no_such_"))
    assert 'mend: start PostgreSQL, and compare DATABASE_URL (database "no_such_' in printed


def test_an_environment_file_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "web.env").write_bytes("SELLER_CITY=Orléans\n".encode("latin-1"))
    assert printed_by("init", str(tmp_path)) == f"{tmp_path}/web.env is not a text in UTF-8: save it as one.\n"


def test_a_machine_without_utf8_prints_and_reads_it_all_the_same(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text("subscriber_id,age_band,home_zone\n1,18-34,Zone Évry\n", encoding="utf-8")
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "DATABASE_URL": database_url}
    printed = printed_by("ingest", "--subscribers", f"{tmp_path}/lines.csv", ends_with=0, **ascii_alone)
    assert "No zone is called 'Zone Évry', the home of 1 line" in printed


def test_doctor_signs_in_at_the_server_of_mail(database_url: str) -> None:
    given = {"DATABASE_URL": database_url, "PARTAGE_BID_KEY": key("bids")}
    stated = "WRONG  mail: The server of mail does not let us in: "
    assert stated in printed_by("doctor", **given, SMTP_URL=f"smtp://127.0.0.1:{free_port()}")
    assert stated in printed_by("doctor", **given, SMTP_URL="smtp://no-such-name.invalid:25")
    with open_post_office() as office:
        assert "well   mail" in printed_by("doctor", **given, SMTP_URL=f"smtp://127.0.0.1:{office.port}")


def test_a_private_key_that_cannot_be_read_is_named_with_the_reason(theirs: str, tmp_path: Path) -> None:
    given = {"DATABASE_URL": theirs, "PARTAGE_STATE": str(tmp_path / "state")}
    stated = f"{tmp_path}/key cannot be read: No such file or directory.\n"
    assert printed_by("restore", f"{tmp_path}/none.age", "--identity", f"{tmp_path}/key", **given) == stated
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    stated = f"{tmp_path}/key is no private key of age.\n"
    assert printed_by("restore", f"{tmp_path}/none.age", "--identity", f"{tmp_path}/key", **given) == stated


def test_doctor_says_why_the_public_log_cannot_be_read(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    given = {"DATABASE_URL": database_url, "PARTAGE_LOG_KEY": key("log"), "PARTAGE_STATE": f"{tmp_path}/file"}
    stated = (
        f"WRONG  public log: The folder {tmp_path}/file/objects cannot be used: Not a directory. Compare PARTAGE_STATE"
    )
    assert stated in printed_by("doctor", **given)
