"""Consents that the operator collected: all of a file or none, again nothing, and a wrong row is named."""

import asyncio
import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet import encryption

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.importing import ImportedConsents
from marketplace.consent.purposes.in_force import consent_in_force
from marketplace.consent.purposes.queries import list_receipts
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Invalid
from marketplace.subscribers.operators.consent_files import import_consents
from tests.consent.builders import explain_purpose
from tests.support.reads import fetch_value
from tests.support.source import ROOT

PURPOSE = "presence.statistics"
T0 = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HEAD = "reference,purpose,notice_version,word,at,channel"
GOOD = f"1,{PURPOSE},1,given,2026-02-01T10:00:00Z,shop"
COUNT = "SELECT count(*) FROM consent_record"


def write_words(folder: Path, *rows: str, head: str = HEAD, encoding: str = "utf-8") -> str:
    (folder / "words.csv").write_bytes(("\n".join([head, *rows]) + "\n").encode(encoding))
    return str(folder / "words.csv")


async def test_a_file_is_recorded_once_and_receipts_name_the_channel(tmp_path: Path) -> None:
    await explain_purpose(T0, lines=range(10))
    rows = [GOOD, GOOD, GOOD.replace("1,", "2,", 1), f"2,{PURPOSE},1,withdrawn,2026-03-01 08:00:00+01:00,call_centre"]
    assert await import_consents(write_words(tmp_path, *rows)) == ImportedConsents(4, 2, 1)
    assert await import_consents(write_words(tmp_path, *rows)) == ImportedConsents(4, 0, 0)
    assert await fetch_value(COUNT) == 3
    found = await consent_in_force(PURPOSE, clock.now())
    assert found.lines.tolist() == [1]
    assert [(row.given, row.channel) for row in (await list_receipts(2)).rows] == [
        (False, "call_centre"),
        (True, "shop"),
    ]
    assert await import_consents(write_words(tmp_path, *rows, GOOD.replace("shop", "app"))) == ImportedConsents(5, 1, 0)


async def test_parquet_says_the_same(tmp_path: Path) -> None:
    await explain_purpose(T0, lines=range(10))
    table = pa.table(
        {
            "reference": pa.array([1, 2], pa.uint32()),
            "purpose": pa.array([PURPOSE] * 2).dictionary_encode(),
            "notice_version": pa.array([1, 1], pa.int8()),
            "word": ["given", "withdrawn"],
            "at": pa.array([T0 + dt.timedelta(days=31, hours=10)] * 2, pa.timestamp("ms", tz="Europe/Paris")),
            "channel": ["shop", "letter"],
        }
    )
    pq.write_table(table, tmp_path / "words.parquet")
    assert await import_consents(str(tmp_path / "words.parquet")) == ImportedConsents(2, 1, 1)
    (tmp_path / "words.parquet").unlink()
    assert await import_consents(write_words(tmp_path, GOOD)) == ImportedConsents(1, 0, 0)


WRONG = {
    f"-1,{PURPOSE},1,given,2026-02-01T10:00:00Z,shop": "has no line",
    f"1e3,{PURPOSE},1,given,2026-02-01T10:00:00Z,shop": "has no line",
    f"{10**30},{PURPOSE},1,given,2026-02-01T10:00:00Z,shop": "has no line",
    f"\N{ARABIC-INDIC DIGIT ONE},{PURPOSE},1,given,2026-02-01T10:00:00Z,shop": "has no line",
    "1,,1,given,2026-02-01T10:00:00Z,shop": "has no purpose",
    f"1,{PURPOSE},0,given,2026-02-01T10:00:00Z,shop": "no version of a notice",
    f"1,{PURPOSE},1.6,given,2026-02-01T10:00:00Z,shop": "no version of a notice",
    f"1,{PURPOSE},{2**40},given,2026-02-01T10:00:00Z,shop": "no version of a notice",
    f"1,{PURPOSE},1,Given,2026-02-01T10:00:00Z,shop": "neither given nor withdrawn",
    f"1,{PURPOSE},1,given,2026-02-01T10:00:00,shop": "no instant with its time zone",
    f"1,{PURPOSE},1,given,2026-02-01T10:00:00+99:99,shop": "no instant with its time zone",
    f"1,{PURPOSE},1,given,2026-02-01T10:00:00-24:00,shop": "no instant with its time zone",
    f"1,{PURPOSE},1,given,2026-02-31T10:00:00Z,shop": "no instant with its time zone",
    f"1,{PURPOSE},1,given,2026-02-01T10:00:00Z,partage": "no known channel",
    f"1,{PURPOSE},1,given,2026-02-01T10:00:00Z,shop\0": "no known channel|cannot be read",
    f"77,{PURPOSE},1,given,2026-02-01T10:00:00Z,shop": "a line that is not known here",
    f"{2**63 - 1},{PURPOSE},1,given,2026-02-01T10:00:00Z,shop": "a line that is not known here",
    "1,nothing.real,1,given,2026-02-01T10:00:00Z,shop": "a purpose that does not exist",
    f"1,{PURPOSE}\0,1,given,2026-02-01T10:00:00Z,shop": "no purpose",
    f"1,{PURPOSE},2,given,2026-02-01T10:00:00Z,shop": "a version of the notice that does not exist",
    f"1,{PURPOSE},1,given,9998-02-01T10:00:00Z,shop": "in the future",
    f"1,{PURPOSE},1,withdrawn,2025-12-31T23:59:59Z,shop": "published after its instant",
    f"1,{PURPOSE},1,withdrawn,2026-02-01T10:00:00Z,shop": "contradicts another row",
}


@pytest.mark.long
async def test_a_wrong_row_is_named_and_nothing_is_recorded(tmp_path: Path) -> None:
    await explain_purpose(T0, lines=range(10))
    for row, sentence in WRONG.items():
        with pytest.raises(Invalid, match=rf"words.csv, row (1|2)\b.*({sentence})"):
            await import_consents(write_words(tmp_path, GOOD, row))
    with pytest.raises(Invalid, match=r"row 2 is of a line that is not known here. Rows that are wrong besides: 2\."):
        await import_consents(write_words(tmp_path, GOOD, *[f"7{n},{GOOD.partition(',')[2]}" for n in range(3)]))
    assert await fetch_value(COUNT) == 0


async def test_a_file_of_another_shape_is_refused(tmp_path: Path) -> None:
    await explain_purpose(T0, lines=range(10))
    latin = (GOOD, GOOD.replace("shop", "böötik"))
    for rows, head, encoding, sentence in (
        ((GOOD,), HEAD.replace("word", "answer"), "utf-8", "no column word"),
        ((f"{GOOD},1",), f"{HEAD},who", "utf-8", "a column who"),
        (latin, HEAD, "latin-1", "cannot be read|UTF-8"),
        ((GOOD,), HEAD, "utf-16", "UTF-8|no column|a column"),
        (("1,2",), HEAD, "utf-8", "cannot be read"),
    ):
        with pytest.raises(Invalid, match=sentence):
            await import_consents(write_words(tmp_path, *rows, head=head, encoding=encoding))
    with pytest.raises(Invalid, match="no file or folder"):
        await import_consents(str(tmp_path / "none.csv"))
    (tmp_path / "words.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(Invalid, match="not a Parquet file"):
        await import_consents(str(tmp_path / "words.parquet"))
    assert await fetch_value(COUNT) == 0


async def test_an_ended_line_and_a_replaced_notice_give_nothing_new(tmp_path: Path) -> None:
    await explain_purpose(T0, lines=range(10))
    await execute("UPDATE subscriber SET gone_at = $1 WHERE reference = 1", T0 + dt.timedelta(days=40))
    await consent.publish_notice(
        PURPOSE, text_fr="Neuf.", text_en="New.", at=T0 + dt.timedelta(days=60), asks_anew=True
    )
    for row, sentence in (
        (GOOD.replace("02-01", "02-20"), "had ended by then"),
        (GOOD.replace("1,", "2,", 1).replace("02-01", "04-01"), "asks again"),
    ):
        with pytest.raises(Invalid, match=sentence):
            await import_consents(write_words(tmp_path, row))
        assert await import_consents(write_words(tmp_path, row.replace("given", "withdrawn"))) == ImportedConsents(
            1, 0, 1
        )
    assert await import_consents(write_words(tmp_path, GOOD)) == ImportedConsents(1, 1, 0), "before it ended"


@pytest.mark.deep
async def test_two_hundred_thousand_rows_are_recorded_in_one_go(tmp_path: Path) -> None:
    await explain_purpose(T0, lines=range(10))
    lines = 200_000
    await execute(f"INSERT INTO subscriber (reference) SELECT generate_series(10, {lines - 1})")
    table = pa.table(
        {
            "reference": pa.array(range(lines)),
            "purpose": pa.array([PURPOSE] * lines).dictionary_encode(),
            "notice_version": pa.array([1] * lines, pa.int32()),
            "word": pa.array(["given"] * lines).dictionary_encode(),
            "at": pa.array([T0 + dt.timedelta(days=1)] * lines, pa.timestamp("us", tz="UTC")),
            "channel": pa.array(["shop"] * lines).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "words.parquet")
    assert await import_consents(str(tmp_path / "words.parquet")) == ImportedConsents(lines, lines, 0)
    assert await import_consents(str(tmp_path / "words.parquet")) == ImportedConsents(lines, 0, 0)


# ------------------------------------------------------------------ files that are meant badly
def parquet_of(purpose: pa.Array | None = None, count: int = 2) -> pa.Table:
    """Return rows of consents; `purpose` in place of the one there is."""
    return pa.table(
        {
            "reference": pa.array([line % 10 for line in range(count)]),
            "purpose": pa.array([PURPOSE] * count) if purpose is None else purpose,
            "notice_version": [1] * count,
            "word": ["given"] * count,
            "at": pa.array([T0 + dt.timedelta(days=31)] * count, pa.timestamp("us", tz="UTC")),
            "channel": ["shop"] * count,
        }
    )


@pytest.mark.parametrize("has_plain_footer", [False, True])
async def test_an_encrypted_parquet_is_one_sentence_and_ends_no_process(
    tmp_path: Path,
    has_plain_footer: bool,  # noqa: FBT001
) -> None:
    await explain_purpose(T0, lines=range(10))
    done = await asyncio.to_thread(
        lambda: subprocess.run(
            [sys.executable, "-c", READING, str(encrypted_parquet(tmp_path, has_plain_footer=has_plain_footer))],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ("is encrypted: write it without" if has_plain_footer else "is not a Parquet file") in done.stdout
    assert await fetch_value(COUNT) == 0


READING = """
import asyncio, os, sys
from marketplace.core import database
from marketplace.core.errors import Invalid
from marketplace.subscribers.operators.consent_files import import_consents

async def story():
    await database.open_pool(os.environ["DATABASE_URL"])
    try:
        await import_consents(sys.argv[1])
    except Invalid as refusal:
        print(refusal)
    await database.close_pool()

asyncio.run(story())
"""


class KeysInPlain(encryption.KmsClient):  # type: ignore[misc] # untyped
    """Wraps nothing: what is tried is who has no key at all."""

    def __init__(self, _: object) -> None:
        encryption.KmsClient.__init__(self)

    def wrap_key(self, key: bytes, _: str) -> bytes:
        return key.hex().encode()


def encrypted_parquet(folder: Path, *, has_plain_footer: bool) -> Path:
    """Write a file whose columns are encrypted, as Parquet's own modular encryption does it."""
    chosen = encryption.EncryptionConfiguration(
        footer_key="footer",
        column_keys={"column": ["reference", "word"]},
        plaintext_footer=has_plain_footer,
        data_key_length_bits=128,
    )
    properties = encryption.CryptoFactory(KeysInPlain).file_encryption_properties(
        encryption.KmsConnectionConfig(), chosen
    )
    with pq.ParquetWriter(folder / "words.parquet", parquet_of().schema, encryption_properties=properties) as file:
        file.write_table(parquet_of())
    return folder / "words.parquet"


async def test_a_text_of_a_megabyte_that_a_dictionary_says_once_is_refused_before_any_row_has_it(
    tmp_path: Path,
) -> None:
    await explain_purpose(T0, lines=range(10))
    rows = 500_000
    long = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * ((1 << 20) - 100)]))
    pq.write_table(parquet_of(long, rows), tmp_path / "words.parquet", compression="zstd")
    assert (tmp_path / "words.parquet").stat().st_size < 100_000
    with pytest.raises(Invalid, match="the column purpose has texts longer than any that are known"):
        await asyncio.wait_for(import_consents(str(tmp_path / "words.parquet")), 30)
    assert await fetch_value(COUNT) == 0


async def test_a_file_that_is_imported_twice_at_once_counts_once(tmp_path: Path) -> None:
    await explain_purpose(T0, lines=range(10))
    file = write_words(tmp_path, *(GOOD.replace("1,", f"{line},", 1) for line in range(10)))
    both = await asyncio.gather(*(asyncio.create_task(import_consents(file)) for _ in range(2)))
    assert sorted(done.given for done in both) == [0, 10]
    assert await fetch_value(COUNT) == 10
