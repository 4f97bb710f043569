"""Faults planted in the code of money, one at a time, in a copy: each must make a test fail, or the tests prove little.

`python -m tests.mutations` plants all of them and prints a line each; `python -m tests.mutations NAME…` some. A fault is
a line replaced by a wrong one and the tests that should notice; the line must be there exactly once, so that a fault
that no longer fits is told, not passed over.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("marketplace", "migrations", "pricing", "tests", "pyproject.toml", "docker-compose.yml", "README.md")
PAYMENTS, PURCHASES, EARNINGS = (
    "tests/marketplace/payments",
    "tests/marketplace/purchases",
    "tests/marketplace/earnings",
)
FINANCE, LEDGER = "tests/marketplace/finance", "tests/marketplace/ledger"


@dataclass(frozen=True, slots=True)
class Fault:
    """A wrong line in place of a right one, and what should notice."""

    name: str
    file: str
    right: str
    wrong: str
    noticed_by: tuple[str, ...]


FAULTS = (
    Fault(
        "a new key at every attempt", "marketplace/payments/rules.py",
        'return f"{command}:{generation}" if generation else str(command)',
        'import uuid as anew; return f"{command}:{anew.uuid4()}"',
        (f"{PAYMENTS}/test_commands.py",),
    ),
    Fault(
        "a key that Stripe has forgotten is used as if it had not", "marketplace/payments/calls.py",
        'return command["generation"] > 0 or is_old', "return False and is_old", (f"{PAYMENTS}/test_commands.py",),
    ),
    Fault(
        "a crash that Stripe saved is asked about for ever", "marketplace/payments/commands.py",
        "fresh_key=silence.is_replayed", "fresh_key=False", (f"{PAYMENTS}/test_commands.py",),
    ),
    Fault(
        "an earlier answer undoes a later one", "marketplace/payments/standing.py",
        'if payment["reading"] > reading and state == payment["state"]:', "if False:",
        (f"{PAYMENTS}/test_events.py", f"{PAYMENTS}/test_away.py"),
    ),
    Fault(
        "a payment goes backwards", "marketplace/payments/standing.py",
        'state = rules.later(payment["state"], rules.state_of(told))', "state = rules.state_of(told)",
        (f"{PAYMENTS}/test_events.py", f"{PAYMENTS}/test_away.py"),
    ),
    Fault(
        "another amount is taken for what is owed", "marketplace/payments/standing.py",
        'if (told.amount_minor, told.currency) != (payment["amount_minor"], payment["currency"]):', "if False:",
        (f"{PAYMENTS}/test_events.py",),
    ),
    Fault(
        "a signature has no age", "marketplace/payments/stripe_port.py",
        "if abs(now.timestamp() - int(times[0])) > TOLERANCE_SECONDS:", "if False:", (f"{PAYMENTS}/test_events.py",),
    ),
    Fault(
        "a debit on its way counts as paid", "marketplace/purchases/actions.py",
        "JOIN payment ON payment.subject = purchase_order.id AND payment.state IN ('paid', 'refunded')",
        "JOIN payment ON payment.subject = purchase_order.id AND payment.state IN ('paid', 'refunded', 'processing')",
        (PURCHASES,),
    ),
    Fault(
        "a mirrored movement is posted again", "marketplace/payments/balance.py",
        'fresh = [row["id"] for row in rows if row["is_new"]]', "fresh = []",
        (f"{PAYMENTS}/test_balance.py",),
    ),
    Fault(
        "an unknown category is guessed to be a charge", "marketplace/payments/rules.py",
        "for amount, counterpart in ((amount_minor, COUNTERPARTS[category]), (-fee_minor, chart.STRIPE_FEES))",
        "for amount, counterpart in ((amount_minor, chart.PARTNERS), (-fee_minor, chart.STRIPE_FEES))",
        (f"{PAYMENTS}/test_balance.py", f"{FINANCE}/test_reconciliation.py"),
    ),
    Fault(
        "the remainder of a split is lost", "pricing/revenue_share.py",
        "needed = left_over - above", "if True:", ("tests/pricing/test_revenue_share.py",),
    ),
    Fault(
        "the hold is ignored", "marketplace/earnings/actions.py",
        "licence.cancelled_at IS NULL AND licence.contested_at IS NULL AND licence.hold_until <= $2",
        "licence.cancelled_at IS NULL AND licence.contested_at IS NULL AND ($2::timestamptz IS NOT NULL)",
        (f"{EARNINGS}/test_shares.py", f"{EARNINGS}/test_returns.py"),
    ),
    Fault(
        "contested money is released", "marketplace/earnings/actions.py",
        "licence.cancelled_at IS NULL AND licence.contested_at IS NULL AND licence.hold_until <= $2",
        "licence.cancelled_at IS NULL AND licence.hold_until <= $2",
        (f"{EARNINGS}/test_shares.py", f"{EARNINGS}/test_returns.py", f"{PURCHASES}"),
    ),
    Fault(
        "more is refunded than is left", "marketplace/purchases/money_back.py",
        'if not 0 < amount <= row["left_minor"]:', "if not 0 < amount:", (PURCHASES,),
    ),
    Fault(
        "a disputed payment is refunded too", "marketplace/purchases/money_back.py",
        'if row["is_disputed"]:', "if False:", (PURCHASES,),
    ),
    Fault(
        "one person prepares and approves a run", "marketplace/earnings/payouts.py",
        'raise NotAllowed("You prepared this run, so somebody else has to approve it.")', "pass", (f"{EARNINGS}/test_payouts.py",),
    ),
    Fault(
        "a message to the bank has a new name each time", "marketplace/earnings/sepa.py",
        'return f"PTR{run.hex}"', 'import uuid as anew; return f"PTR{anew.uuid4().hex}"',
        (f"{EARNINGS}/test_payout_bank.py",),
    ),
    Fault(
        "payouts are rounded up", "marketplace/earnings/payouts.py",
        "div(payable_micro, 10000)::bigint AS amount_minor", "(div(payable_micro, 10000) + 1)::bigint AS amount_minor",
        (f"{EARNINGS}/test_payouts.py",),
    ),
    Fault(
        "who is being paid is paid again", "marketplace/earnings/payouts.py",
        "GROUP BY details.id, payout_choice.threshold_minor", "OR true GROUP BY details.id, payout_choice.threshold_minor",
        (f"{EARNINGS}/test_payouts.py",),
    ),
    Fault(
        "a repeated file is read as refused", "marketplace/earnings/sepa.py",
        'return "" if reason in REPEATED else reason or "RJCT"', 'return reason or "RJCT"',
        (f"{EARNINGS}/test_payout_bank.py",),
    ),
    Fault(
        "a changed IBAN is paid at once", "marketplace/earnings/payouts.py",
        " AND details.usable_from <= $2", " AND $2::timestamptz IS NOT NULL", (f"{EARNINGS}/test_payouts.py",),
    ),
    Fault(
        "a second debit for one batch is explained away", "marketplace/finance/payout_lines.py",
        "AND NOT EXISTS (SELECT FROM taken WHERE target_id = free.batch_id)", "AND true",
        (f"{EARNINGS}/test_payout_bank.py",),
    ),
    Fault(
        "a transfer that failed is tried again", "marketplace/payments/commands.py",
        'if command["verb"] == "transfer" and command["state"] == "failed":', "if False:",
        (f"{EARNINGS}/test_payout_stripe.py",),
    ),
    Fault(
        "the parts of a bank line need not add up", "marketplace/finance/matching.py",
        "_check_sums(matches, lines)", "pass", (f"{FINANCE}/test_matching.py",),
    ),
    Fault(
        "who proposed a write-off decides it", "marketplace/finance/write_offs.py",
        'raise NotAllowed("You proposed it: someone else must decide.")', "pass", (FINANCE,),
    ),
    Fault(
        "a late fact is dated in a closed month", "marketplace/ledger/actions.py",
        "CASE WHEN late THEN greatest(at, until) ELSE at END", "at", (LEDGER, f"{FINANCE}/test_closing.py"),
    ),
)  # fmt: skip


def caught(fault: Fault, copy: Path) -> bool | None:
    """Tell whether a test notices a fault planted in the copy; None where the right line is not there, once."""
    path = copy / fault.file
    whole = (ROOT / fault.file).read_text()
    if whole.count(fault.right) != 1:
        return None
    path.write_text(whole.replace(fault.right, fault.wrong))
    try:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-m", "not deep", "-p", "no:randomly"]
        ended = subprocess.run([*command, *fault.noticed_by], cwd=copy, check=False, capture_output=True, text=True)
    finally:
        path.write_text(whole)
    return ended.returncode == 1


def main(names: list[str]) -> list[str]:
    """Plant the faults of these names, or all; print a line each and return those that nothing noticed or that fit no more."""
    unnoticed = []
    with tempfile.TemporaryDirectory(prefix="partage-faults-") as folder:
        copy = Path(folder)
        for name in COPIED:
            whole = ROOT / name
            if whole.is_dir():
                shutil.copytree(whole, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(whole, copy / name)
        for fault in FAULTS:
            if names and fault.name not in names:
                continue
            outcome = {True: "caught", False: "NOT CAUGHT", None: "NO SUCH LINE"}[caught(fault, copy)]
            print(f"{outcome:12} {fault.name}", flush=True)
            if outcome != "caught":
                unnoticed.append(fault.name)
    return unnoticed


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
