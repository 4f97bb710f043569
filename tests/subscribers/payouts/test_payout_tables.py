"""The tables of one payout run are sorted by their headings, narrowed and handed out: payouts, names, files and answers."""

import uuid

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts.verification import SQL
from tests.finance.builders.pages import column_of_csv, rows_of_csv, signed_in
from tests.people.builders import make_staff, page_text
from tests.subscribers.builders import payees, sales
from tests.support.reads import fetch

FIVE = (1, 2, 3, 4, 5)
WEIGHTS = {1: 3, 2: 5, 3: 1, 4: 4, 5: 2}
BY_AMOUNT = ["2", "4", "1", "5", "3"]
TABLES = ("payouts", "names", "files", "answers")


async def send_run() -> uuid.UUID:
    """Send a run that pays five people, the first cents of each by their weight."""
    await sales.write_lines(FIVE)
    await payees.earn(WEIGHTS, 90_000)
    await payees.write_bank_details(*FIVE)
    return await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))


async def test_payouts_and_names_of_a_run_are_sorted_narrowed_and_handed_out() -> None:
    with payees.paying():
        run = await send_run()
        ids = {row["subscriber"]: row["id"] for row in await fetch("SELECT id, subscriber FROM payout")}
        outcomes = {5: "close", 2: "unknown", 3: "none", 1: "match"}
        checked = [ids[line] for line in outcomes]
        await execute(SQL["write_checks"], checked, list(outcomes.values()), "file", clock.now())
        path = f"/en/finance/payout-runs/{run}"
        async with await signed_in("auditor") as eve:
            rows = await rows_of_csv(eve, f"{path}/payouts.csv?sort=line")
            assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
            assert {row[3] for row in rows} == {"On its way"}
            assert rows[0][2] == payees.iban_of(1)[-4:]
            assert await column_of_csv(eve, f"{path}/payouts.csv?sort=amount") == BY_AMOUNT
            assert await column_of_csv(eve, f"{path}/payouts.csv?state=settled") == []
            assert len(await column_of_csv(eve, f"{path}/payouts.csv?state=open&sort=;DROP")) == len(FIVE)
            page = (await eve.get(f"{path}?state=open&sort=amount")).text
            assert f'href="{path}/payouts.csv?state=open&amp;sort=amount"' in page
            shown = page[page.rindex("<tbody>") :]
            places = [shown.index(f"<td>{line}</td>") for line in BY_AMOUNT]
            assert places == sorted(places)
            assert await column_of_csv(eve, f"{path}/names.csv", 1) == ["3", "5", "2"], "the worst first"
            assert await column_of_csv(eve, f"{path}/names.csv?sort=named_line", 1) == ["2", "3", "5"]
            assert await column_of_csv(eve, f"{path}/names.csv?sort=named_amount", 1) == ["2", "5", "3"]
            assert "The name nearly matches" in await column_of_csv(eve, f"{path}/names.csv")
            assert f'href="{path}/names.csv?sort=' in page


async def test_files_and_answers_of_a_run_are_sorted_and_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payouts, "PAYEES_A_BATCH", 1)
    with payees.paying(PAYOUT_FILE_PAYEES="2"):
        run = await send_run()
        for file, status, rejected in ((1, "@PART", 1), (2, "ACCP", 0), (1, "RJCT", 7)):
            await execute(
                """INSERT INTO payout_answer (run, file, message, file_sha256, group_status, reason, rejected, received_at)
                   VALUES ($1, $2::int, 'x', $3, $3, '', $4::int, $5)""",
                run,
                file,
                status,
                rejected,
                clock.now(),
            )
        path = f"/en/finance/payout-runs/{run}"
        async with await signed_in("finance") as nora:
            files = await rows_of_csv(nora, f"{path}/files.csv")
            assert [(row[0], row[5]) for row in files] == [("1", "RJCT"), ("2", "ACCP"), ("3", "")]
            amounts = [float(row[3]) for row in files]
            by_amount = await column_of_csv(nora, f"{path}/files.csv?sort=file_amount", 3)
            assert [float(amount) for amount in by_amount] == sorted(amounts, reverse=True)
            assert (await column_of_csv(nora, f"{path}/files.csv?sort=file_people", 2))[-1] == "1"
            assert await column_of_csv(nora, f"{path}/answers.csv", 2) == ["RJCT", "ACCP", "'@PART"]
            assert await column_of_csv(nora, f"{path}/answers.csv?sort=answer_oldest", 2) == ["'@PART", "ACCP", "RJCT"]
            assert await column_of_csv(nora, f"{path}/answers.csv?sort=answer_refused", 4) == ["7", "1", "0"]
            page = await nora.get(f"{path}?sort=file_amount")
            assert f'href="{path}?sort=file_people"' in page.text
            assert f'href="{path}/files.csv?sort=file_amount"' in page.text
            largest = files[max(range(3), key=lambda at: amounts[at])][1]
            text = page_text(page)
            assert all(text.index(largest) <= text.index(row[1]) for row in files)


@pytest.mark.parametrize("table", TABLES)
async def test_a_file_of_no_run_is_not_found_and_stewards_are_refused(table: str) -> None:
    path = f"/en/finance/payout-runs/{uuid.uuid4()}/{table}.csv"
    async with await signed_in("auditor") as eve, await signed_in("steward") as steward:
        assert (await eve.get(path)).status_code == 404
        assert (await steward.get(path)).status_code == 403
