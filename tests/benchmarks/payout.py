"""Paying: a run of a hundred thousand people, drafted and sent, against a bare COPY of the rows it writes, in the same run.

`python3 tests bench payout` prints `payout draft RATIO …`, `payout send RATIO …` and `payout file RATIO …`: who is due
summed exactly and written with every key and check; the money moved; the bank's file made, of names and IBANs unsealed, and
checked against its schema, over lxml's `xmlfile` writing the same, and read by a bank that shares no code with its writer.
"""

import datetime as dt
import io
import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import IO

import numpy as np
from lxml import etree

from marketplace.core import clock
from marketplace.core.database import copy_columns, copy_in, execute
from marketplace.demo.bank import Bank
from marketplace.people.identity import vault
from marketplace.subscribers.earnings.actions import hold_shares
from marketplace.subscribers.earnings.month_close import close_months
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import bank_file
from tests.benchmarks._bench import Run
from tests.people.builders import make_staff
from tests.subscribers.builders import sales
from tests.subscribers.builders.payees import file_of_run, iban_of
from tests.support.reads import fetch, fetch_value

SIZE, SMALLEST = 100_000, 1_000
"""Payees."""


def main(run: Run) -> None:
    """Run it; the peer is COPY itself. `--size 1000000` measures a country's."""
    with run.marketplace(PAYOUT_IBAN="FR7630006000011234567890189") as place:
        place.play(lambda: _measure(run))


async def payees(people: int) -> None:
    """Sell one release of so many lines, split and release it, and give all of them bank details."""
    everyone, now = np.arange(1, people + 1, dtype=np.int64), clock.now()
    await sales.write_lines(range(0))
    await copy_columns("subscriber", {"reference": everyone})
    await execute("UPDATE subscriber SET claimed_at = $1", now)
    weights = np.random.default_rng(1).integers(1, 13, people)
    release = await sales.seal_weights(dict(zip(everyone.tolist(), weights.tolist(), strict=True)), rows_a_group=65_536)
    await sales.write_sale(release, people * 10_000 + 1, fee=0, sold_at=now - dt.timedelta(days=60))
    assert (await hold_shares(), await close_months()) == (1, 1)
    rows = []
    for line in everyone.tolist():
        details, number = uuid.uuid4(), iban_of(line)
        key, sealed = vault.seal({"holder": f"Zoé Lefèvre {line}", "iban": number}, details, line)
        rows.append((details, line, sealed, key, vault.fingerprint(number), number[-4:], "BE", now, now))
    columns = ("id", "subscriber", "sealed", "key_id", "fingerprint", "last_four", "country", "added_at", "usable_from")
    await copy_in("bank_details", columns, rows)
    await execute("VACUUM ANALYZE accrual, closed_share, bank_details, subscriber")


async def bare_copy(table: str) -> float:
    """Return the seconds of a COPY of a table's rows into one without keys and checks."""
    rows = [tuple(row) for row in await fetch(f"SELECT * FROM {table}")]
    await execute(f"CREATE TABLE bare AS TABLE {table} WITH NO DATA")
    columns = [
        row["column_name"]
        for row in await fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'bare' ORDER BY ordinal_position"
        )
    ]
    start = time.perf_counter()
    await copy_in("bare", columns, rows)
    spent = time.perf_counter() - start
    await execute("DROP TABLE bare")
    return spent


def _peak_mb(*, from_here: bool = False) -> int:
    """Return how many megabytes of memory this process had at most, since it was last asked `from_here`; 0 but on Linux."""
    own = Path("/proc/self")
    if not own.exists():
        return 0
    if from_here:
        (own / "clear_refs").write_text("5")
    lines = (own / "status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) >> 10


def _written_by_lxml(file: IO[bytes]) -> float:
    """Return the seconds that lxml's `xmlfile` takes to write a file's elements and texts anew."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    events: list[tuple[bool, str, dict[str, str], str]] = []
    for event, element in etree.iterparse(file, events=("start", "end"), huge_tree=True):
        if event == "end" and not len(element):
            events[-1] = (*events[-1][:3], element.text or "")
        if event == "start":
            events.append((True, etree.QName(element).localname if events else element.tag, dict(element.attrib), ""))
        else:
            events.append((False, "", {}, ""))
            element.clear()
    begun = time.perf_counter()
    namespace = {None: events[0][1][1:].partition("}")[0]}
    with tempfile.TemporaryFile() as again:
        with etree.xmlfile(again, encoding="utf-8") as writer:
            stack = []
            for is_start, tag, attributes, text in events:
                if is_start:
                    stack.append(writer.element(tag, attributes) if stack else writer.element(tag, nsmap=namespace))
                    stack[-1].__enter__()
                    if text:
                        writer.write(text)
                else:
                    stack.pop().__exit__(None, None, None)
        spent = time.perf_counter() - begun
        assert abs(again.seek(0, io.SEEK_END) / size - 1) < 1 / 50, "they are the same but for new lines"
    return spent


async def _measure(run: Run) -> None:
    people = run.size
    await payees(people)
    nora, paul = await make_staff("Nora"), await make_staff("Paul")
    start = time.perf_counter()
    payout_run = await payouts.draft(nora)
    drafted = time.perf_counter() - start
    assert payout_run
    assert await fetch_value("SELECT people FROM payout_run") == people
    await payouts.approve(payout_run, paul, reason="measured")
    row = await fetch_value("SELECT drafted_at FROM payout_run")
    begun_mb = _peak_mb(from_here=True)
    start, cpu = time.perf_counter(), time.process_time()
    files = await bank_file.write_files(payout_run, await bank_file.cut(payout_run, row, row.date()))
    made, cpu = time.perf_counter() - start, time.process_time() - cpu
    memory = _peak_mb()
    size, written = 0, 0.0
    for about in files:
        file, _ = await bank_file.make_file(payout_run, about)
        size += file.seek(0, io.SEEK_END)
        written += _written_by_lxml(file)
        file.close()
    start = time.perf_counter()
    await payouts.send(payout_run, paul)
    sent = time.perf_counter() - start
    moved = max(sent - made, 0.001)
    await execute("CREATE TABLE moved AS SELECT accrual.* FROM accrual WHERE payable_micro < 0")
    payout, accrual = await bare_copy("payout"), await bare_copy("moved")
    bank = Bank(os.environ["PAYOUT_IBAN"])
    assert all([b"GrpSts>ACCP" in bank.submit(await file_of_run(payout_run, about.number)) for about in files[:2]])
    name = f"{people // 1000}k"
    spent = f"({drafted:.2f} s; COPY {payout:.2f} s)"
    run.figure(f"draft-{name}", f"{drafted / payout:.2f}", f"× bare COPY of the same rows {spent}")
    spent = f"({moved:.2f} s; COPY {accrual:.2f} s)"
    run.figure(f"send-{name}", f"{moved / accrual:.2f}", f"× bare COPY of its accruals, its file apart {spent}")
    run.figure(
        f"file-{name}",
        f"{made / written:.2f}",
        "× lxml's xmlfile writing the same, unsealed and checked against its schema too "
        f"({len(files)} files of {size / 1e6:.0f} MB together, {people / made:.0f} payees/s; {made:.2f} s, {cpu:.2f} of this "
        f"process's CPU, against {written:.2f} s; {memory - begun_mb} MB of memory more than before)",
    )
