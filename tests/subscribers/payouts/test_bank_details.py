"""Bank details: what an IBAN and a name must be, and that neither can be read without the key, nor moved to another row."""

import dataclasses
import datetime as dt
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Invalid
from marketplace.money.sepa import accounts, pain001
from marketplace.people.identity import vault
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import bank_details
from tests.people.builders import make_staff
from tests.subscribers.builders import payees, sales
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run
from tests.support.reads import fetch, fetch_one, fetch_value

KEYS = "old:" + "11" * 32
ROTATED = "new:" + "22" * 32 + "," + KEYS


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("hello", "begins with two letters"),
        ("FR76", "begins with two letters"),
        ("US64SVBKUS6S3300958879", "SEPA area only; US"),
        ("FR76 3000 6000 0112 3456 7890 18", "27 characters; this one has 26"),
        ("FR76 3000 6000 0112 3456 7890 188", "check digits do not fit"),
        ("DE89 3704 0044 0532 0130 O0", "check digits do not fit"),
        ("BE61539000754735", "check digits inside"),
    ],
)
def test_each_mistake_has_its_sentence(written: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        accounts.check_iban(written)


@pytest.mark.parametrize(
    "written",
    [
        "FR76 3000 6000 0112 3456 7890 189",
        "de89370400440532013000",
        "BE68 5390 0754 7034",
        "ES91-2100-0418-4502-0005-1332",
        "GB29 NWBK 6016 1331 9268 19",
        "NL91ABNA0417164300",
        "IT60X0542811101000000123456",
        "CH9300762011623852957",
    ],
)
def test_what_banks_print_is_accepted(written: str) -> None:
    assert accounts.check_iban(written) == written.upper().replace(" ", "").replace("-", "")


@settings(deadline=None)
@given(some.integers(0, 10**7 - 1), some.integers(4, 15), some.characters(categories=["Nd", "Lu"], max_codepoint=90))
def test_a_mistyped_character_never_passes(line: int, position: int, other: str) -> None:
    right = payees.iban_of(line)
    wrong = right[:position] + other + right[position + 1 :]
    if wrong != right:
        with pytest.raises(Invalid):
            accounts.check_iban(wrong)


@pytest.mark.parametrize("name", ["", "X", "李明", "Иван Петров", "y" * 71, "😀😀", "..--.."])
def test_a_name_that_banks_cannot_read_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="account holder's name"):
        accounts.check_holder(name)


@given(some.text(max_size=90))
def test_any_text_is_spelled_in_the_banks_letters(text: str) -> None:
    assert set(accounts.latin(text)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")
    assert "//" not in accounts.latin(text)


def test_names_are_spelled_as_people_would() -> None:
    assert [accounts.latin(name) for name in ("Zoé Lefèvre", "Jürgen Groß", "Łucja Ø'Brien & Co")] == [
        "Zoe Lefevre",
        "Jurgen Gross",
        "Lucja O'Brien + Co",
    ]


def test_a_sealed_row_opens_for_its_own_key_row_and_line_alone() -> None:
    row = uuid.uuid4()
    with payees.paying(PARTAGE_IDENTITY_KEYS=KEYS):
        key_id, sealed = vault.seal({"holder": "Zoé", "iban": OUR_IBAN}, row, 7)
        assert key_id == "old"
        assert vault.unseal(key_id, sealed, row, 7) == {"holder": "Zoé", "iban": OUR_IBAN}
        assert b"FR76" not in sealed
        assert len(sealed) == len(vault.seal({"holder": "y" * 70, "iban": "FR" + "1" * 32}, row, 7)[1])
        assert sealed != vault.seal({"holder": "Zoé", "iban": OUR_IBAN}, row, 7)[1]
        for moved in (
            (key_id, sealed, uuid.uuid4(), 7),
            (key_id, sealed, row, 8),
            (key_id, sealed[:-1] + b"\0", row, 7),
        ):
            with pytest.raises(vault.UnopenableError):
                vault.unseal(*moved)
        mine = vault.fingerprint(OUR_IBAN)
    with payees.paying(PARTAGE_IDENTITY_KEYS="old:" + "33" * 32):
        with pytest.raises(vault.UnopenableError):
            vault.unseal(key_id, sealed, row, 7)
        assert vault.find_content(key_id, sealed, row, 7) is None
        assert vault.fingerprint(OUR_IBAN) != mine
    with payees.paying(PARTAGE_IDENTITY_KEYS="other:" + "33" * 32), pytest.raises(vault.UnopenableError, match="lacks"):
        vault.unseal(key_id, sealed, row, 7)


def test_what_is_sealed_for_people_opens_nowhere_else_and_what_was_before_tables_were_named_opens_still() -> None:
    row = uuid.uuid4()
    with payees.paying(PARTAGE_IDENTITY_KEYS=KEYS):
        key_id, sealed = vault.seal({"name": "Zoé"}, row, 7, table="person")
        assert vault.unseal(key_id, sealed, row, 7, table="person") == {"name": "Zoé"}
        with pytest.raises(vault.UnopenableError):
            vault.unseal(key_id, sealed, row, 7)
        before = vault.seal({"name": "Ada"}, row, 7)
        assert vault.unseal(*before, row, 7, table="person") == {"name": "Ada"}


async def everything_stored() -> str:
    """Return every column of every row of what this package stores about being paid, as text."""
    tables = ("bank_details", "payout_choice", "payout_run", "payout_batch", "payout", "payout_answer", "staff_action")
    return "".join([str(dict(row)) for table in tables for row in await fetch(f"SELECT * FROM {table}")])


async def test_neither_name_nor_iban_is_stored_in_the_clear() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1})
        await payees.write_bank_details(1)
        sent = await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        assert payees.iban_of(1).encode() in await file_of_run(sent)
        stored = await everything_stored()
        assert payees.iban_of(1) not in stored
        assert payees.iban_of(1)[4:16] not in stored
        assert "Lef" not in stored
        assert await fetch_value("SELECT last_four FROM bank_details") == payees.iban_of(1)[-4:]


async def test_a_new_key_seals_everything_anew_and_the_old_one_can_go() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1, 2: 1})
        with payees.paying(PARTAGE_IDENTITY_KEYS=KEYS):
            await payees.write_bank_details(1, 2)
        with payees.paying(PARTAGE_IDENTITY_KEYS=ROTATED):
            before = await fetch_value("SELECT fingerprint FROM bank_details WHERE subscriber = 1")
            assert await bank_details.enforce_details_retention() == 2
            assert await bank_details.enforce_details_retention() == 0
            assert await fetch_value("SELECT fingerprint FROM bank_details WHERE subscriber = 1") != before
        with payees.paying(PARTAGE_IDENTITY_KEYS="new:" + "22" * 32):
            sent = await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
            assert payees.iban_of(2).encode() in await file_of_run(sent)


async def test_details_that_no_key_opens_do_not_keep_others_from_being_sealed_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bank_details, "RESEALED_A_BATCH", 1)

    with payees.paying():
        with payees.paying(PARTAGE_IDENTITY_KEYS="lost:" + "33" * 32):
            await sales.write_lines()
            await payees.earn({1: 1, 2: 1, 3: 1})
            await payees.write_bank_details(2)
        with payees.paying(PARTAGE_IDENTITY_KEYS=KEYS):
            await payees.write_bank_details(1, 3)
        with payees.paying(PARTAGE_IDENTITY_KEYS=ROTATED):
            assert await bank_details.enforce_details_retention() == 2
            assert await bank_details.enforce_details_retention() == 0
        rows = await fetch("SELECT key_id FROM bank_details ORDER BY subscriber")
        assert [row["key_id"] for row in rows] == ["new", "lost", "new"]


async def test_ended_details_are_forgotten_after_thirteen_months_and_not_while_a_payout_needs_them() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1, 2: 1})
        await payees.write_bank_details(1, 2)
        await payouts.draft()
        await bank_details.remove_details(1)
        await bank_details.remove_details(2)
        await execute("UPDATE payout SET state = 'cancelled', ended_at = now() WHERE subscriber = 2")
        with clock.shifted(dt.timedelta(days=390)):
            assert await bank_details.enforce_details_retention() == 0
        with clock.shifted(dt.timedelta(days=400)):
            assert await bank_details.enforce_details_retention() == 1
        row = await fetch_one("SELECT * FROM bank_details WHERE subscriber = 2")
        assert row
        assert (row["sealed"], row["fingerprint"], row["last_four"]) == (None, "", payees.iban_of(2)[-4:])
        assert await fetch_value("SELECT sealed IS NOT NULL FROM bank_details WHERE subscriber = 1")


def check_in_pieces(file: bytes) -> None:
    """Check a file in pieces that end anywhere."""
    checked = pain001.FileCheck()
    for start in range(0, len(file), 997):
        checked.add(file[start : start + 997])
    checked.end()


def test_the_schema_is_checked_piece_by_piece() -> None:
    payer = pain001.Payer("Partage & Cie <SA>", OUR_IBAN, dt.date(2026, 12, 1))
    transfers = [
        pain001.Transfer(f"PTP{line:032d}", "Zoé <b>", payees.iban_of(line), 100 + line, "x") for line in range(50)
    ]
    whole = b"".join(
        [
            pain001.opening(
                "PTR1",
                dt.datetime(2026, 11, 30, tzinfo=dt.UTC),
                payer,
                people=50,
                amount_minor=sum(one.amount_minor for one in transfers),
            ),
            *[pain001.batch(f"PTB{number}", payer, transfers[number * 20 : number * 20 + 20]) for number in range(3)],
            pain001.CLOSING,
        ]
    )
    check_in_pieces(whole)
    for right, wrong in (
        (b"<PmtMtd>TRF</PmtMtd>", b""),
        (b">1.49<", b">1.490001<"),
        (b">1.49<", b">1.48<"),
        (b'Ccy="EUR"', b'Ccy="euro"'),
        (b"<NbOfTxs>50<", b"<NbOfTxs>51<"),
        (b"PTP" + b"0" * 31 + b"7<", b"PTP" + b"0" * 31 + b"8<"),
        (payees.iban_of(9).encode(), payees.iban_of(9)[:-1].encode() + b"X"),
        (b"</CstmrCdtTrfInitn>", b""),
    ):
        assert right in whole, right
        with pytest.raises(Invalid, match="not valid"):
            check_in_pieces(whole.replace(right, wrong, 1))


def test_a_bank_that_pays_at_once_is_asked_for_it_in_a_valid_file() -> None:
    transfers = [pain001.Transfer("PTP1", "Zoé", payees.iban_of(1), 100, "x")]

    def file_of(payer: pain001.Payer) -> bytes:
        at = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
        head = pain001.opening("PTR1", at, payer, people=1, amount_minor=100)
        return head + pain001.batch("PTB1", payer, transfers) + pain001.CLOSING

    payer = pain001.Payer("Partage", OUR_IBAN, dt.date(2026, 12, 1))
    slow, instant = file_of(payer), file_of(dataclasses.replace(payer, is_instant=True))
    check_in_pieces(instant)
    assert b"INST" not in slow
    level = b"<SvcLvl><Cd>SEPA</Cd></SvcLvl>"
    assert slow.replace(level, level + b"<LclInstrm><Cd>INST</Cd></LclInstrm>") == instant
