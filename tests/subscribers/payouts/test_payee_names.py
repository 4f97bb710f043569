"""Whose account it is, asked before money leaves: by interface and by file; who differs is written to, the rest is paid."""

import datetime as dt
import re
import unicodedata
import uuid

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as some

from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid
from marketplace.demo.bank import Bank
from marketplace.money.ledger.chart import SUBSCRIBERS_IN_TRANSIT
from marketplace.money.ledger.queries import balance
from marketplace.money.sepa import accounts, pain001
from marketplace.people.proposals.queries import find_waiting
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import verification
from tests.finance.builders.banking import bank_day, bank_pays
from tests.finance.builders.pages import signed_in
from tests.people.builders import kinds_written, make_staff
from tests.subscribers.builders import payees, sales
from tests.subscribers.builders.payees import OUR_IBAN, bank_that_verifies, file_of_run, payout_states
from tests.support.decisions import buttons_of, decide_names
from tests.support.reads import fetch_value

SCRIPTS = (
    "José Müller", "Łukasz Żółć", "Þórður Ægisson", "Øyvind Åse", "Şükrü Çelik", "Nguyễn Thị Ánh", "Œuvré d’Aÿ",
    "Ğüler Iğdır", "Ħaż-Żabbar", "Vũ Đức", "Māris Bērziņš", "Ștefan Țepeș", "Zoë & Co", "Ana-Maria O’Neill",
    "Γιώργος Παπαδόπουλος", "Иван Петров", "Ђорђе Ћирић", "Ашот", "Արամ Խաչատրյան", "გიორგი", "דוד כהן", "محمد علي",
    "राम शर्मा", "রহিম", "ਗੁਰਪ੍ਰੀਤ", "முருகன்", "สมชาย", "王小明", "山田太郎", "김철수", "ᏣᎳᎩ", "ሰላም",
)  # fmt: skip
EPC = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]*")


async def press_of_run(visitor: httpx.AsyncClient, path: str, **fields: str) -> int:
    """Press a button of a run's page; return the answer's status."""
    token = re.search(r'name="_csrf_token" value="([^"]*)"', (await visitor.get("/en/finance/payout-runs")).text)
    assert token
    return (
        await visitor.post(path, data={"_csrf_token": token[1], "form_id": str(uuid.uuid4()), **fields})
    ).status_code


async def outcomes(run: uuid.UUID) -> dict[tuple[str, str | None], int]:
    return {(group.outcome, group.decision): group.people for group in await verification.list_groups(run)}


async def test_the_bank_is_asked_before_a_run_is_sent_and_the_differing_are_left_out_in_five_clicks() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn(dict.fromkeys(range(1, 6), 1))
        await payees.write_bank_details(*range(1, 6))
        planted = {payees.iban_of(2): "none", payees.iban_of(3): "close", payees.iban_of(4): "unknown"}
        async with (
            bank_that_verifies(planted) as bank,
            await signed_in("finance") as visitor,
            await signed_in("finance") as other,
        ):
            nora, paul = await make_staff("Nora"), await make_staff("Paul")
            run = await payouts.draft(nora)
            assert run
            await payouts.approve(run, paul, reason="checked with the list")
            path = f"/en/finance/payout-runs/{run}"
            with pytest.raises(Conflict, match="verify the payees’ names first"):
                await payouts.send(run, paul)
            bank.is_silent = True
            assert await press_of_run(visitor, f"{path}/verify") == 409
            bank.is_silent = False
            assert await press_of_run(visitor, f"{path}/verify") == 303
            assert await press_of_run(visitor, f"{path}/verify") == 303
            assert bank.asked == 5, "nobody twice"
            with pytest.raises(Conflict, match="decide about them first"):
                await payouts.send(run, paul)
            page = (await visitor.get(path)).text
            assert "The account is in another name" in page
            assert payees.iban_of(2)[-4:] in page
            assert "Lefèvre" not in page, "no name is shown"
            assert "Le compte est à un autre nom" in (await visitor.get(path.replace("/en/", "/fr/"))).text
            assert await press_of_run(visitor, f"{path}/names", outcome="match", decision="pay") == 422
            clicks = [("none", "left_out"), ("close", "left_out"), ("unknown", "pay")]
            for outcome, decision in clicks:
                assert await press_of_run(visitor, f"{path}/names", outcome=outcome, decision=decision) == 303
                with pytest.raises(Conflict, match="decide about them first"):
                    await payouts.send(run, paul)
                assert (outcome, None) in await outcomes(run), "one person alone decides nothing"
                proposal = await find_waiting("payee_names", f"{run} {outcome}")
                assert proposal
                there, approving = await buttons_of(proposal.id)
                assert await press_of_run(visitor, there, **approving) == 403, "who proposed it"
                assert await press_of_run(visitor, there, **approving | {"sha256": "0"}) in (403, 409)
                assert there in (await other.get(path)).text
                assert await press_of_run(other, there, **approving) == 303
            await payouts.send(run, paul)
        assert await outcomes(run) == {
            ("none", "left_out"): 1, ("close", "left_out"): 1, ("unknown", "pay"): 1, ("match", None): 2,
        }  # fmt: skip
        file = await file_of_run(run)
        assert file.count(b"<CdtTrfTxInf>") == 3
        assert payees.iban_of(2).encode() not in file
        assert [await payees.balance_of(line) // 10_000 for line in (1, 2, 3)] == [0, 2000, 2000], "it is theirs again"
        assert (await payout_states())[2] == ("failed", "RVNM")
        assert (await kinds_written()).count("payee_differs") == 2
        with pytest.raises(Conflict, match="before a run for the bank is sent"):
            await verification.verify(run, paul)
        await bank_pays(run)
        assert await fetch_value("SELECT state FROM payout_run") == "settled"
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0
        with pytest.raises(Conflict, match="decided about already"):
            await decide_names(run, outcome="none", pay=True)


async def test_a_report_on_the_file_names_who_differs_and_the_file_that_replaces_it_pays_nobody_twice() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn(dict.fromkeys(range(1, 5), 1))
        await payees.write_bank_details(1, 2, 3, 4)
        bank = Bank(OUR_IBAN, names={payees.iban_of(2): "RVNM", payees.iban_of(3): "RVMC"})
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        run = await payees.draft_and_send(nora=nora, paul=paul)
        first = await file_of_run(run)
        report = bank.verify(first)
        assert await payouts.record_answer(run, report, paul) == 0, "nothing is refused by it"
        assert await outcomes(run) == {("none", None): 1, ("close", None): 1, ("match", None): 2}
        await decide_names(run, outcome="close", pay=True)
        assert await file_of_run(run) == first, "those who are paid change no file"
        await decide_names(run, outcome="none", pay=False)
        with pytest.raises(Conflict, match="decided about already"):
            await decide_names(run, outcome="none", pay=False)
        second = await file_of_run(run)
        assert second != first
        assert (pain001.message_of(run).encode() in second, pain001.message_of(run, 1).encode() in second) == (
            False,
            True,
        )
        assert second.count(b"<CdtTrfTxInf>") == 3
        async with await signed_in("finance") as visitor:
            page = (await visitor.get(f"/en/finance/payout-runs/{run}")).text
            assert "A file here replaces the one before" in page
            assert pain001.message_of(run, 1) in page
        whole_refused = re.sub(rb"<GrpSts>RVCM.*</GrpSts>", b"<GrpSts>RJCT</GrpSts>", report, count=1)
        assert await payouts.record_answer(run, whole_refused, paul) == 0, "the bank drops the file that was replaced"
        assert await payouts.record_answer(run, bank.verify(second), paul) == 0
        assert await payouts.record_answer(run, bank.submit(second), paul) == 0
        assert b"AM05" in bank.submit(second), "sent twice it is one payment"
        await bank_day(bank)
        assert {line: state for line, (state, _) in (await payout_states()).items()} == {
            1: "settled", 2: "failed", 3: "settled", 4: "settled",
        }  # fmt: skip
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0
        with pytest.raises(Invalid, match="no such group"):
            await decide_names(run, outcome="match", pay=True)


async def test_when_nobody_is_left_there_is_no_file_and_the_bank_may_not_know() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1, 2: 1})
        await payees.write_bank_details(1, 2)
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        run = await payees.draft_and_send(nora=nora, paul=paul)
        not_completed = Bank(OUR_IBAN).verify(await file_of_run(run)).replace(b"RCVC", b"RVNC")
        await payouts.record_answer(run, not_completed, None)
        assert await outcomes(run) == {("unknown", None): 2}
        await decide_names(run, outcome="unknown", pay=False)
        assert await fetch_value("SELECT state FROM payout_run") == "failed"
        again = await payouts.draft(nora)
        assert again, "an account that nobody could say anything of is not refused"
        with pytest.raises(Conflict, match="No interface"):
            await verification.verify(again, nora)
        await execute(
            """INSERT INTO payee_check (payout, outcome, source, checked_at, decision, decided_by, decided_at)
               SELECT id, 'none', 'api', drafted_at, 'left_out', $2, drafted_at
               FROM (SELECT payout.id, drafted_at FROM payout JOIN payout_run ON payout_run.id = run WHERE run = $1) AS its""",
            again,
            nora.person,
        )
        await payouts.approve(again, paul, reason="checked with the list")
        with pytest.raises(Conflict, match="Nobody would be paid"):
            await payouts.send(again, paul)


@pytest.mark.deep
async def test_two_thousand_with_three_in_a_hundred_mismatches_need_five_clicks() -> None:
    with payees.paying(PAYOUT_THRESHOLD_MINOR="1"):
        await sales.write_lines(range(1, 2_001))
        await payees.earn(dict.fromkeys(range(1, 2_001), 1), net=10_000_000)
        await payees.write_bank_details(*range(1, 2_001))
        planted = {payees.iban_of(line): ("none", "close", "unknown")[line % 3] for line in range(1, 2_001, 33)}
        async with bank_that_verifies(planted) as bank:
            nora, paul = await make_staff("Nora"), await make_staff("Paul")
            run = await payouts.draft(nora)
            assert run
            await payouts.approve(run, paul, reason="checked with the list")
            assert await verification.verify(run, paul) == bank.asked == 2_000
            for outcome in {*planted.values()}:
                await decide_names(run, outcome=outcome, pay=False)
            await payouts.send(run, paul)
        file = await file_of_run(run)
        assert file.count(b"<CdtTrfTxInf>") == 2_000 - len(planted) == 1_939


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_name_of_any_script_is_spelled_for_banks_or_refused_in_a_sentence(name: str) -> None:
    if any("LATIN" in unicodedata.name(letter) for letter in name if letter.isalpha()):
        assert EPC.fullmatch(accounts.latin(accounts.check_holder(name)))
    else:
        with pytest.raises(Invalid, match="Latin letters"):
            accounts.check_holder(name)


@checked(max_examples=60, deadline=None, derandomize=True)
@given(name=some.text(min_size=1, max_size=90), text=some.text(max_size=200))
def test_no_file_has_an_address_or_a_sign_outside_the_character_set(name: str, text: str) -> None:
    payer = pain001.Payer(name, OUR_IBAN, dt.date(2026, 11, 30))
    file = pain001.batch("PTB1", payer, [pain001.Transfer("PTP1", name, payees.iban_of(1), 1, text)]).decode()
    assert "PstlAdr" not in file
    assert "AdrLine" not in file
    for written in re.findall(r"<(?:Nm|Ustrd)>([^<]*)</", file):
        assert EPC.fullmatch(written)
