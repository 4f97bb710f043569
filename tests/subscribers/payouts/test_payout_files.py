"""A run in the files that a bank takes: each with its own id and sums, answered and replaced by itself, none paid twice."""

import datetime as dt
import re
import uuid

import pytest
from lxml import etree

from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.progress import ReportProgress
from marketplace.demo.bank import Bank
from marketplace.finance.bank.payout_lines import match_payouts
from marketplace.money.ledger.chart import SUBSCRIBERS_IN_TRANSIT
from marketplace.money.ledger.queries import balance
from marketplace.money.sepa import pain001, pain002
from marketplace.people.identity.actors import Actor
from marketplace.people.proposals.queries import find_waiting
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import background_work, bank_file, rules
from tests.finance.builders.banking import bank_day
from tests.people.builders import make_staff, press, visiting, words
from tests.subscribers.builders import payees, sales
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run
from tests.support.decisions import approve_waiting, decide, decide_names
from tests.support.reads import fetch, fetch_value

IN = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}
NINE, NOT_LATER = range(1, 10), dt.timedelta(0)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payouts, "PAYEES_A_BATCH", 2)


async def nine_payees() -> None:
    await sales.write_lines(NINE)
    await payees.earn(dict.fromkeys(NINE, 1), 90_000)
    await payees.write_bank_details(*NINE)


def texts_at(file: bytes, path: str) -> list[str]:
    return [str(text) for text in etree.fromstring(file).xpath(f"//p:{path}/text()", namespaces=IN)]  # type: ignore[union-attr]


async def states_of_payouts() -> dict[int, str]:
    return {row["subscriber"]: row["state"] for row in await fetch("SELECT subscriber, state FROM payout")}


def mixed_report(report: bytes, reference: str) -> bytes:
    """Return a bank's report on names that also rejects one payment for good."""
    rejected = f"<OrgnlEndToEndId>{reference}</OrgnlEndToEndId><TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf>"
    found = report.replace(
        b"</OrgnlPmtInfAndSts>", f"<TxInfAndSts>{rejected}</TxInfAndSts></OrgnlPmtInfAndSts>".encode(), 1
    )
    assert found != report
    return found


async def test_a_run_is_cut_into_files_with_ids_and_sums_of_their_own_and_each_is_answered_and_replaced_by_itself() -> (
    None
):
    with payees.paying(PAYOUT_FILE_PAYEES="5"):
        await nine_payees()
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        run = await payees.draft_and_send(nora=nora, paul=paul)
        files = await bank_file.list_files(run)
        assert [(one.number, one.first_batch, one.last_batch, one.people) for one in files] == [
            (1, 1, 2, 4),
            (2, 3, 5, 5),
        ]
        assert sum(one.amount_minor for one in files) == await fetch_value("SELECT amount_minor FROM payout_run")
        first, second = [await file_of_run(run, number) for number in (1, 2)]
        assert [await file_of_run(run, number) for number in (1, 2)] == [first, second], "the same bytes each time"
        for about, file in zip(files, (first, second), strict=True):
            assert texts_at(file, "MsgId") == [about.message]
            assert pain002.digest(file) == about.file_sha256
            assert texts_at(file, "GrpHdr/p:NbOfTxs") == [str(about.people)]
        every = [texts_at(file, "EndToEndId") for file in (first, second)]
        assert len({*every[0], *every[1]}) == len(NINE), "everybody once"
        assert len({*texts_at(first, "PmtInfId"), *texts_at(second, "PmtInfId")}) == 5
        with pytest.raises(NotFound):
            await file_of_run(run, 3)

        names = {payees.iban_of(7): "RVNM", payees.iban_of(8): "RVMC"}
        bank = Bank(OUR_IBAN, names=names)
        assert await payouts.record_answer(run, bank.submit(first), paul) == 0
        assert await fetch_value("SELECT answered_at FROM payout_run") is None, "one of two"
        assert await payouts.record_answer(run, bank.submit(first), paul) == 0, "sent twice it is one payment"
        other = bank.verify(second).replace(files[1].message.encode(), files[0].message.encode())
        with pytest.raises(Invalid, match="not in the run"):
            await payouts.record_answer(run, other, paul)
        async with visiting(role="finance") as clerk:
            shown = words(await clerk.get(f"/en/finance/payout-runs/{run}"))
            assert re.search(
                r"File 1 PTR\w{32} 4 €\d+\.\d\d RJCT .*File 2 PTR\w{32} 5 €\d+\.\d\d nothing yet", shown
            ), shown
            assert (await clerk.get(f"/en/finance/payout-runs/{run}/download?file=2")).content == second
            assert (await clerk.get(f"/en/finance/payout-runs/{run}/download?file=3")).status_code == 404

        report = mixed_report(bank.verify(second), await payees.reference_of(9))
        assert await payouts.record_answer(run, report, paul) == 1, "the bank has closed the ninth's account"
        assert await fetch_value("SELECT answered_at IS NOT NULL FROM payout_run")
        await decide_names(run, outcome="none", pay=False)
        await decide_names(run, outcome="close", pay=True)
        assert await file_of_run(run, 1) == first, "whose file has nobody left out"
        again = await file_of_run(run, 2)
        assert texts_at(again, "MsgId") == [pain001.message_of(files[1].id, 1)]
        paid = {*texts_at(again, "IBAN")}
        assert {payees.iban_of(line) in paid for line in (7, 9)} == {False}, "who has the money back is in no file"
        assert await payouts.record_answer(run, bank.submit(again), paul) == 0
        await bank_day(bank)
        await match_payouts()
        ended = dict.fromkeys(NINE, "settled") | {7: "failed", 9: "failed"}
        assert await states_of_payouts() == ended
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0
        assert [await payees.balance_of(line) // 10_000 for line in (1, 7, 9)] == [0, 5000, 5000]


async def test_nobody_is_left_out_of_a_file_that_the_bank_has_paid_people_of() -> None:
    """The file that replaces one pays all who are left in it, under another message id: who was paid would be again."""
    with payees.paying(PAYOUT_FILE_PAYEES="4"):
        await nine_payees()
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        run = await payees.draft_and_send(nora=nora, paul=paul)
        seventh = payees.iban_of(7)
        bank = Bank(OUR_IBAN, books_batches=False, names={seventh: "RVNM"}, rejects={seventh: "AC04"})
        file = await file_of_run(run, 2)
        assert await payouts.record_answer(run, bank.verify(file), paul) == 0
        bank.submit(file)  # the bank pays the others, and what it says of the seventh is lost on its way
        await bank_day(bank)
        assert "settled" in (await states_of_payouts()).values()
        with pytest.raises(Conflict, match="paid people of this file already"):
            await decide_names(run, outcome="none", pay=False)
        assert (await states_of_payouts())[7] == "open"
        waiting = await find_waiting("payee_names")
        assert waiting
        await decide(waiting.id, await make_staff("Third"), approve=False)
        await decide_names(run, outcome="none", pay=True)


async def test_a_file_whose_payees_are_all_left_out_is_none_and_a_smaller_file_than_a_batch_is_refused() -> None:
    with payees.paying(PAYOUT_FILE_PAYEES="2", PAYOUT_FILE_BYTES="1300"):
        await nine_payees()
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        run = await payouts.draft(nora)
        assert run
        await payouts.approve(run, paul, reason="checked")
        with (
            payees.paying(after=NOT_LATER, PAYOUT_FILE_BYTES="1000"),
            pytest.raises(Conflict, match="larger than a file may be now"),
        ):
            await payouts.send(run, paul)
        await payouts.send(run, paul)
        assert [one.people for one in await bank_file.list_files(run)] == [2, 2, 2, 2, 1]
        nobody = Bank(OUR_IBAN, names={payees.iban_of(9): "RVNM"}).verify(await file_of_run(run, 5))
        await payouts.record_answer(run, nobody, paul)
        await decide_names(run, outcome="none", pay=False)
        assert [one.people for one in await bank_file.list_files(run)] == [2, 2, 2, 2, 0]
        with pytest.raises(NotFound):
            await file_of_run(run, 5)
        async with visiting(role="finance") as clerk:
            assert "all left out" in words(await clerk.get(f"/en/finance/payout-runs/{run}"))
            french = words(await clerk.get(f"/fr/finance/payout-runs/{run}"))
            assert "tous écartés" in french


async def test_a_large_run_is_sent_by_a_job_and_what_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PAYEES_A_PAGE", 4)
    with payees.paying(PAYOUT_FILE_PAYEES="5"):
        await nine_payees()
        run = await payouts.draft(await make_staff("Nora"))
        assert run
        await payouts.approve(run, await make_staff("Paul"), reason="checked")
        path = f"/finance/payout-runs/{run}"
        async with visiting(role="finance") as clerk:
            with payees.paying(after=NOT_LATER, PAYOUT_IBAN=""):
                assert "Set PAYOUT_IBAN" in words(await press(clerk, path, "/send", status=409))
            await press(clerk, path, "/send")
            assert "being written since" in words(await clerk.get(f"/en{path}"))
            with payees.paying(after=NOT_LATER, PAYOUT_FILE_PAYEES="1"):
                assert await background_work.do_asked() == 0
            assert "It was not sent: This run was drafted in batches" in words(await clerk.get(f"/en{path}"))
            await press(clerk, path, "/send")
            assert await fetch_value("SELECT state FROM payout_run") == "approved"
            assert (await background_work.do_asked(), await background_work.do_asked()) == (1, 0)
            assert "File 2" in words(await clerk.get(f"/en{path}"))
        trail = await fetch("SELECT verb, person FROM staff_action WHERE verb LIKE '%send_payout_run' ORDER BY id")
        assert [row["verb"] for row in trail] == [*["ask_to_send_payout_run"] * 2, "send_payout_run"]
        assert len({row["person"] for row in trail}) == 1, "the one who asked"


async def test_who_is_left_out_of_a_large_run_is_by_a_job_and_nobody_once_the_bank_has_paid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "PAYEES_A_PAGE", 4)
    with payees.paying(PAYOUT_FILE_PAYEES="4"):
        await nine_payees()
        paul = await make_staff("Paul")
        run = await payees.draft_and_send(nora=await make_staff("Nora"), paul=paul)
        path, whole = f"/finance/payout-runs/{run}", [await file_of_run(run, number) for number in (1, 2, 3)]
        names = {payees.iban_of(2): "RVNM", payees.iban_of(5): "RVMC", payees.iban_of(6): "RVNC"}
        bank = Bank(OUR_IBAN, names=names, books_batches=False)
        for file in whole:
            await payouts.record_answer(run, bank.verify(file), paul)
        async with visiting(role="finance") as clerk:
            await press(clerk, path, "/names", outcome="none", decision="left_out")
            await approve_waiting("payee_names")
            shown = words(await clerk.get(f"/en{path}"))
            assert "Files are being rewritten since" in shown
            assert (await clerk.get(f"/en{path}/download?file=1")).status_code == 409, "neither the one nor the other"
            assert "/download" not in (await clerk.get(f"/en{path}")).text
            assert await fetch_value("SELECT file_sequence FROM payout_run") == 0, "the page writes no file"
            assert (await background_work.do_asked(), await background_work.do_asked()) == (1, 0)
            again = await file_of_run(run, 1)
            assert payees.iban_of(2).encode() not in again
            assert await file_of_run(run, 2) == whole[1]
            assert await payees.balance_of(2) // 10_000 == 5000, "it is theirs again"

            await press(clerk, path, "/names", outcome="close", decision="left_out")
            await approve_waiting("payee_names")
            await payouts.record_answer(run, bank.submit(whole[1]), paul)
            await bank_day(bank)
            await match_payouts()
            assert await background_work.do_asked() == 1
            shown = words(await clerk.get(f"/en{path}"))
            assert "Nobody was left out: The bank has paid people of this file already" in shown
            assert "Personne n’a été écarté : La banque" in words(await clerk.get(f"/fr{path}"))
            assert await file_of_run(run, 2) == whole[1]
            assert await fetch_value("SELECT count(*) FROM payee_check WHERE decision IS NOT NULL") == 1, "undone"
        assert (await states_of_payouts())[2] == "failed"


async def test_a_run_for_many_is_drafted_by_a_job_in_pieces_whose_progress_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "PAYEES_A_PAGE", 4)
    monkeypatch.setattr(payouts, "PAYEES_A_PIECE", 4)
    monkeypatch.setattr(payouts, "PAYEES_A_BATCH", 3)
    shares: list[float] = []
    with payees.paying():
        await nine_payees()
        async with visiting(role="finance") as clerk:
            listed = "/finance/payout-runs"
            assert "is counted as a run is drafted" in words(await clerk.get(f"/en{listed}"))
            token = re.search(r'name="_csrf_token" value="([^"]*)"', (await clerk.get(f"/en{listed}")).text)
            assert token

            async def ask(status: int = 303) -> None:
                fields = {"_csrf_token": token[1], "route": "sepa"}
                assert (await clerk.post(f"/en{listed}", data=fields)).status_code == status

            await ask()
            await ask()
            shown = words(await clerk.get(f"/en{listed}"))
            assert "is being drafted: SEPA transfer" in shown
            assert "Draft a SEPA run" not in shown, "asked for once"
            assert await fetch_value("SELECT count(*) FROM payout_run") == 0, "the page drafts nothing"

            drafted = payouts.draft

            async def noted(by: Actor, *, route: str, progress: ReportProgress) -> uuid.UUID | None:
                def both(step: str, share: float) -> None:
                    shares.append(share)
                    progress(step, share)

                return await drafted(by, route=route, progress=both)

            monkeypatch.setattr(background_work, "draft", noted)
            assert (await background_work.do_asked(), await background_work.do_asked()) == (1, 0)
            assert shares == sorted({0.0, *shares}), "it only grows"
            assert len(shares) == 4
            assert "To the run that is being decided: SEPA transfer" in words(await clerk.get(f"/en{listed}"))
            await ask(409)
        rows = await fetch("SELECT id, batch FROM payout ORDER BY subscriber")
        assert [row["batch"] for row in rows] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
        assert [row["id"] for row in rows] == sorted(row["id"] for row in rows), "in the order of their places"
        assert await fetch_value("SELECT prepared_by = asked_by FROM payout_run, payout_draft_request")

        monkeypatch.setattr(background_work, "draft", drafted)
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        await payouts.cancel(await fetch_value("SELECT id FROM payout_run"), paul, reason="not yet")
        with payees.paying(after=NOT_LATER, PAYOUT_THRESHOLD_MINOR="99999999"):
            assert await background_work.ask_to_draft(nora, route="sepa") is None
            assert await background_work.do_asked() == 1
            async with visiting(role="finance") as clerk:
                assert "No run was drafted, SEPA transfer: Nobody is due" in words(await clerk.get(f"/en{listed}"))
        assert await background_work.ask_to_draft(nora, route="sepa") is None
        assert await payouts.draft(paul), "by somebody else in the meantime"
        assert await background_work.do_asked() == 1
        assert "already drafted" in await fetch_value(
            "SELECT problem FROM payout_draft_request ORDER BY id DESC LIMIT 1"
        )


async def sent_one_paid(bank: Bank, run: uuid.UUID) -> dict[str, int]:
    await payouts.record_answer(run, bank.submit(await file_of_run(run)), None)
    await bank_day(bank)
    rows = await fetch("SELECT state, count(*) AS people FROM payout GROUP BY state")
    return {row["state"]: row["people"] for row in rows}
