"""Faults planted in the code of money, one at a time, in a copy: each must make a test fail, or the tests prove little.

`python -m tests.mutations` plants all of them and prints a line each; `python -m tests.mutations NAME…` some. A fault is
a line replaced by a wrong one and the tests that should notice, which pass without it; the line must be there exactly
once, so that a fault that no longer fits is reported, not passed over. Two are tried at once.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from tests.support.server import RUNNING, server_with_template
from tests.support.warm import Warm

ROOT = Path(__file__).resolve().parent.parent
ARGUMENTS = (
    *("-q", "-x", "-n", "0", "-m", "not deep"),
    *("-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:faker"),  # nothing here asks for them
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # plugins that are imported already, of which no test asserts
)
COPIED = ("marketplace", "migrations", "pricing", "tests", "pyproject.toml", "docker-compose.yml", "README.md")
PAYMENTS, PURCHASES, EARNINGS, PAYOUTS = (
    "tests/money/payments",
    "tests/sales/orders",
    "tests/subscribers/earnings",
    "tests/subscribers/payouts",
)
BANK, BOOKKEEPING, FINANCE = "tests/finance/bank", "tests/finance/bookkeeping", "tests/finance/reconciliation"
LEDGER, SUBSCRIPTIONS, JOBS = "tests/money/ledger", "tests/sales/subscriptions", "tests/site/jobs"


@dataclass(frozen=True, slots=True)
class Fault:
    """A wrong line in place of a right one, and what should notice."""

    name: str
    file: str
    right: str
    wrong: str
    noticed_by: tuple[str, ...]

    def server(self, running: Path) -> dict[str, str]:
        """Return by what environment its tests find PostgreSQL: a fault of the schema needs a server with its own template."""
        return {} if self.file.endswith("/functions.sql") else {RUNNING: str(running)}


FAULTS = (
    Fault(
        "a new key at every attempt",
        "marketplace/money/payments/rules.py",
        'return f"{command}:{generation}" if generation else str(command)',
        'import uuid as anew; return f"{command}:{anew.uuid4()}"',
        (f"{PAYMENTS}/test_commands.py::test_a_lost_request_or_answer",),
    ),
    Fault(
        "a key that Stripe has forgotten is used as if it had not",
        "marketplace/money/payments/stripe_calls.py",
        "return command.generation > 0 or is_old",
        "return False and is_old",
        (
            f"{PAYMENTS}/test_commands.py::test_a_key_pruned_after_a_day_is_looked_for_first",
            f"{PAYMENTS}/test_commands.py::test_a_saved_500_is_replayed_for_a_day",
        ),
    ),
    Fault(
        "a crash that Stripe saved is asked about for ever",
        "marketplace/money/payments/stripe_calls.py",
        "fresh_key=silence.is_replayed",
        "fresh_key=False",
        (f"{PAYMENTS}/test_commands.py::test_a_saved_500_is_replayed_for_a_day",),
    ),
    Fault(
        "an earlier answer undoes a later one",
        "marketplace/money/payments/statuses.py",
        "if payment.reading > reading and state == payment.state:",
        "if False:",
        (f"{PAYMENTS}/test_events.py::test_an_answer_asked_for_earlier_undoes_nothing",),
    ),
    Fault(
        "a payment goes backwards",
        "marketplace/money/payments/statuses.py",
        "state = rules.later(payment.state, rules.state_of(status))",
        "state = rules.state_of(status)",
        (
            f"{PAYMENTS}/test_events.py::test_an_answer_asked_for_earlier_undoes_nothing",
            f"{PAYMENTS}/test_events.py::test_any_order_of_events_ends_the_same",
            f"{PAYMENTS}/test_off_session.py::test_a_deposit_is_held_then_captured_in_part",
        ),
    ),
    Fault(
        "another amount is accepted for what is owed",
        "marketplace/money/payments/statuses.py",
        "if (status.amount_minor, status.currency) != (payment.amount_minor, payment.currency):",
        "if False:",
        (f"{PAYMENTS}/test_events.py::test_what_is_not_ours_is_kept_and_named",),
    ),
    Fault(
        "a signature has no age",
        "marketplace/money/payments/stripe_port.py",
        "if (apart := abs(now.timestamp() - int(times[0]))) > TOLERANCE_SECONDS:",
        "if False:",
        (f"{PAYMENTS}/test_events.py::test_a_signature_counts_for_five_minutes_either_way",),
    ),
    Fault(
        "a debit on its way counts as paid",
        "marketplace/sales/orders/queries.sql",
        "JOIN payment ON payment.subject = purchase_order.id AND payment.state IN ('paid', 'refunded')",
        "JOIN payment ON payment.subject = purchase_order.id AND payment.state IN ('paid', 'refunded', 'processing')",
        (f"{PURCHASES}/test_disputes.py::test_a_debit_is_waited_for_and_granted_once_it_is_paid",),
    ),
    Fault(
        "a mirrored movement is posted again",
        "marketplace/money/payments/balance.py",
        "source_id=movement.id,",
        'source_id=f"{movement.id} {clock.now()}",',
        (
            f"{PAYMENTS}/test_balance.py::test_every_cent",
            f"{PAYMENTS}/test_balance.py::test_pending_money_becomes_available",
        ),
    ),
    Fault(
        "an unknown category is guessed to be a charge",
        "marketplace/money/payments/rules.py",
        "for amount, counterpart in ((amount_minor, account), (-fee_minor, chart.STRIPE_FEES))",
        "for amount, counterpart in ((amount_minor, chart.PARTNERS), (-fee_minor, chart.STRIPE_FEES))",
        (f"{PAYMENTS}/test_balance.py::test_every_cent",),
    ),
    Fault(
        "a share is a millionth off where its quotient was rounded",
        "pricing/public_shares.py",
        "correction = (remainder >= denominator).astype(np.int64) - (remainder < 0)",
        "correction = np.zeros_like(remainder)",
        ("tests/pricing/test_public_shares.py",),
    ),
    Fault(
        "a pool is divided by the exact total",
        "marketplace/subscribers/earnings/settlement.py",
        "self.figures.people,",
        "self.weighed.total,",
        ("tests/attacks/test_share_pages.py::test_one_contributor_more_or_less_changes_nothing_that_others_see",),
    ),
    Fault(
        "what rounds a licence's shares to cents is lost",
        "marketplace/subscribers/earnings/rules.py",
        "return self.owed_minor * MICRO_PER_MINOR - self.shares_micro",
        "return 0",
        (f"{EARNINGS}/test_shares.py::test_shares_are_held_then_released_to_the_millionth",),
    ),
    Fault(
        "the hold is ignored",
        "marketplace/subscribers/earnings/queries.sql",
        "licence.cancelled_at IS NULL AND licence.contested_at IS NULL AND licence.hold_until < $2",
        "licence.cancelled_at IS NULL AND licence.contested_at IS NULL AND ($2::timestamptz IS NOT NULL)",
        (f"{EARNINGS}/test_month_close.py::test_a_hold_that_ends_after_the_month_waits_for_the_next",),
    ),
    Fault(
        "contested money is released",
        "marketplace/subscribers/earnings/queries.sql",
        "licence.cancelled_at IS NULL AND licence.contested_at IS NULL AND licence.hold_until < $2",
        "licence.cancelled_at IS NULL AND licence.hold_until < $2",
        (f"{PAYMENTS}/test_faults.py::test_a_loss_that_is_heard_of_but_not_recorded_releases_nothing",),
    ),
    Fault(
        "what a close is releasing is cancelled too",
        "marketplace/subscribers/earnings/queries.sql",
        "  AND licence_split.close IS NULL\n  AND licence.cancelled_at IS NOT NULL",
        "  AND licence.cancelled_at IS NOT NULL",
        (f"{EARNINGS}/test_month_close.py::test_what_is_refunded_while_a_close_runs_is_a_loss_as_after_it",),
    ),
    Fault(
        "a close forgets its rows",
        "marketplace/subscribers/earnings/month_close.py",
        'await copy_pieces("closing_share", ("close", "subscriber", "payable_micro"), rows())',
        "[piece async for piece in rows()]",
        (f"{EARNINGS}/test_month_close.py::test_what_was_held_becomes_theirs_when_its_month_is_over",),
    ),
    Fault(
        "more is refunded than is left",
        "marketplace/sales/orders/refunds.py",
        "if not 0 < amount <= order.left_minor:",
        "if not 0 < amount:",
        (f"{PAYMENTS}/test_faults.py::test_what_a_dispute_took_is_not_given_back_too",),
    ),
    Fault(
        "a disputed payment is refunded too",
        "marketplace/sales/orders/refunds.py",
        "if order.is_disputed:",
        "if False:",
        (f"{PURCHASES}/test_disputes.py::test_a_dispute_suspends_until_it_is_decided",),
    ),
    Fault(
        "one person prepares and approves a run",
        "marketplace/subscribers/payouts/actions.py",
        'raise NotAllowed("You prepared this run, so somebody else has to approve it.")',
        "pass",
        (f"{PAYOUTS}/test_payouts.py::test_four_eyes_in_the_rule_and_in_the_database",),
    ),
    Fault(
        "a message to the bank has a new name each time",
        "marketplace/money/sepa/pain001.py",
        'return f"PT{FILE_LETTERS[sequence]}{run.hex}"',
        'import uuid as anew; return f"PT{FILE_LETTERS[sequence]}{anew.uuid4().hex}"',
        (f"{PAYOUTS}/test_payout_bank.py::test_the_file_says_who_is_paid_what_and_is_the_same_each_time",),
    ),
    Fault(
        "payouts are rounded up",
        "marketplace/subscribers/payouts/queries.sql",
        "div(payable_micro, 10000)::bigint AS amount_minor",
        "(div(payable_micro, 10000) + 1)::bigint AS amount_minor",
        (f"{PAYOUTS}/test_payouts.py::test_a_run_pays_whole_cents_above_the_threshold_and_the_rest_carries_over",),
    ),
    Fault(
        "who is being paid is paid again",
        "marketplace/subscribers/payouts/queries.sql",
        "GROUP BY details.id, payout_choice.threshold_minor",
        "OR true GROUP BY details.id, payout_choice.threshold_minor",
        (f"{PAYOUTS}/test_payouts.py::test_what_is_paid_or_under_way_is_not_drafted_again",),
    ),
    Fault(
        "a repeated file is read as refused",
        "marketplace/money/sepa/pain002.py",
        'return "" if reason in REPEATED else reason or "RJCT"',
        'return reason or "RJCT"',
        (f"{PAYOUTS}/test_payout_bank.py::test_a_resend_is_a_repeat_to_the_bank_and_pays_nobody_twice",),
    ),
    Fault(
        "a changed IBAN is paid at once",
        "marketplace/subscribers/payouts/queries.sql",
        " AND details.usable_from <= $2",
        " AND $2::timestamptz IS NOT NULL",
        (f"{PAYOUTS}/test_payouts.py::test_a_changed_iban_holds_the_next_payout",),
    ),
    Fault(
        "a second debit for one batch is explained away",
        "marketplace/finance/bank/queries.sql",
        "AND NOT EXISTS (SELECT FROM matched WHERE target_id = free.batch_id)",
        "AND true",
        (f"{PAYOUTS}/test_payout_bank.py::test_a_second_debit_for_one_run_stays_with_the_exceptions",),
    ),
    Fault(
        "a transfer that failed is tried again",
        "marketplace/money/payments/outbox.py",
        'if command.verb == "transfer" and command.state == "failed":',
        "if False:",
        (f"{PAYOUTS}/test_payout_stripe.py::test_what_stripe_refuses_is_recredited_and_not_tried_again",),
    ),
    Fault(
        "the parts of a bank line need not add up",
        "marketplace/finance/bank/matching.py",
        "_check_sums(matches, lines)",
        "pass",
        (f"{BANK}/test_matching.py::test_a_line_is_split_exactly",),
    ),
    Fault(
        "two bank lines at once pay one order",
        "marketplace/finance/bank/candidates.py",
        "await lock(payouts.LOCK)",
        "pass",
        (f"{BANK}/test_matching.py::test_two_lines_at_once_pay_one_order_once",),
    ),
    Fault(
        "reading after the money failed is nobody's business",
        "marketplace/finance/reconciliation/exceptions/sales.py",
        "WHERE kept_minor <= 0 AND (charged_minor > 0 OR due_minor < total_minor)",
        "WHERE kept_minor <= 0 AND charged_minor > 0",
        (f"{FINANCE}/test_debits.py::test_who_may_read_or_reads_after_the_money_went_is_named",),
    ),
    Fault(
        "a reversal is dated in another month",
        "marketplace/money/ledger/queries.sql",
        "SELECT journal_entry.id, greatest(at, (SELECT max(ends_at) FROM period)) AS at, currency",
        "SELECT journal_entry.id, $3::timestamptz AS at, currency",
        (f"{BOOKKEEPING}/test_closing.py::test_a_match_undone_in_a_later_month_does_not_keep_its_own_from_closing",),
    ),
    Fault(
        "the first IBAN after Stripe is paid at once",
        "marketplace/subscribers/payouts/bank_details.py",
        "is_first = last is None and not await has_connected_account(line)",
        "is_first = last is None",
        (f"{PAYOUTS}/test_payout_stripe.py::test_a_first_iban_in_place_of_stripe_waits_like_any_that_replaces",),
    ),
    Fault(
        "who proposed a write-off decides it",
        "marketplace/people/proposals/actions.py",
        'raise NotAllowed("You proposed it: someone else must decide.")',
        "pass",
        (f"{FINANCE}/test_write_offs.py::test_another_person_approves_and_the_books_follow",),
    ),
    Fault(
        "a late fact is dated in a closed month",
        "marketplace/money/ledger/queries.sql",
        "CASE WHEN late THEN greatest(at, until) ELSE at END",
        "at",
        (f"{BOOKKEEPING}/test_closing.py::test_a_month_closes_and_then_refuses",),
    ),
    Fault(
        "a webhook is believed unsigned",
        "marketplace/money/payments/stripe_port.py",
        "stripe.WebhookSignature.verify_header(body, signature, secret)",
        "pass",
        (f"{PAYMENTS}/test_events.py::test_only_what_stripe_signed_just_now_comes_in",),
    ),
    Fault(
        "a lost dispute takes from subscribers what was released",
        "marketplace/subscribers/earnings/queries.sql",
        "  AND licence.cancelled_at IS NOT NULL\nORDER BY",
        "  AND licence.cancelled_at IS NOT NULL\n"
        "  OR licence_split.state = 'released' AND licence.cancelled_at IS NOT NULL\nORDER BY",
        (f"{EARNINGS}/test_returns.py::test_what_is_refunded_after_the_release_is_the_operators_loss",),
    ),
    Fault(
        "what came back after the release is nobody's loss",
        "marketplace/subscribers/earnings/actions.py",
        "while await _bear_losses():",
        "while not _bear_losses:",
        (f"{EARNINGS}/test_returns.py::test_what_is_refunded_after_the_release_is_the_operators_loss",),
    ),
    Fault(
        "an IBAN's check digits are not looked at",
        "marketplace/money/sepa/accounts.py",
        'raise Invalid("The check digits do not fit: a character of this IBAN is mistyped.") from None',
        "return str(number)",
        (f"{PAYOUTS}/test_bank_details.py::test_each_mistake_has_its_sentence",),
    ),
    Fault(
        "a closed month accepts entries",
        "marketplace/money/ledger/functions.sql",
        "SELECT max(ends_at) INTO closed_until FROM period;",
        "closed_until := NULL;",
        (f"{BOOKKEEPING}/test_closing.py::test_a_month_closes_and_then_refuses",),
    ),
    Fault(
        "a trial balance overlooks reversals",
        "marketplace/money/ledger/functions.sql",
        "GROUP BY 1, 2, 3",
        "WHERE reverses IS NULL GROUP BY 1, 2, 3",
        (f"{LEDGER}/test_reversals_and_trail.py::test_an_entry_is_reversed_once_by_one_that_points_to_it",),
    ),
    Fault(
        "an invoice's number is skipped",
        "marketplace/sales/orders/queries.sql",
        "SET last = series.last + $2,",
        "SET last = series.last + $2 + 1,",
        (f"{PURCHASES}/test_invoices.py::test_money_given_back_part_by_part_has_a_credit_note_each",),
    ),
    Fault(
        "an unknown category does not stop the close",
        "marketplace/finance/bookkeeping/closing.py",
        "if row.why in WITHOUT_ACCOUNT]",
        'if row.why == "other_currency"]',
        (f"{BOOKKEEPING}/test_closing.py::test_every_check_stops_the_close_and_names_what_is_in_the_way",),
    ),
    Fault(
        "a price that rose since it was shown is agreed to",
        "marketplace/sales/subscriptions/actions.py",
        "if seen_minor is not None and most_minor > seen_minor:",
        "if False:",
        (f"{SUBSCRIPTIONS}/test_ways_around.py::test_nobody_is_subscribed_at_a_higher_price_than_was_shown",),
    ),
    Fault(
        "a month's close waits for no other worker",
        "marketplace/subscribers/earnings/month_close.py",
        "async with exclusive(LOCK):",
        "async with exclusive(LOCK, wait=False):",
        (f"{JOBS}/test_jobs.py::test_a_job_waits_for_the_lock_of_a_dead_worker_that_postgresql_has_not_noticed",),
    ),
    Fault(
        "a table whose foreign key a migration drops is not locked before",
        "migrations/tables_locked.py",
        r"DROP\s+(?:INDEX|CONSTRAINT)",
        r"DROP\s+INDEX",
        ("tests/migrations/test_migrations.py::test_every_table_that_a_migration_changes_is_locked_before",),
    ),
)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of what the tests need, and what runs them in it."""

    folder: Path
    warm: Warm

    def passes(self, tests: Iterable[str], server: Mapping[str, str]) -> bool | None:
        """Return whether tests pass in the copy; None where they could not even begin, which proves nothing."""
        words = ["-m", "pytest", *ARGUMENTS, *tests]
        with Path(os.devnull).open("r+b") as nothing:
            self.warm.start(words, self.folder, os.environ | server, [nothing.fileno()] * 3)
        return {0: True, 1: False}.get(self.warm.wait())

    def plant(self, fault: Fault, running: Path) -> str:
        """Plant a fault in the copy, beside a server that is running; return what came of it, and remove it again."""
        path, whole = self.folder / fault.file, (ROOT / fault.file).read_text()
        if whole.count(fault.right) != 1:
            return "NO SUCH LINE"
        path.write_text(whole.replace(fault.right, fault.wrong))
        try:
            return {False: "caught", True: "NOT CAUGHT", None: "NO PROGRAM"}[
                self.passes(fault.noticed_by, fault.server(running))
            ]
        finally:
            path.write_text(whole)


@contextlib.contextmanager
def copy_of_repository() -> Iterator[Copy]:
    """Copy what the tests need, to plant faults in."""
    with tempfile.TemporaryDirectory(prefix="partage-faults-") as folder:
        copy = Copy(Path(folder), Warm())
        for name in COPIED:
            whole = ROOT / name
            if whole.is_dir():
                shutil.copytree(whole, copy.folder / name)  # what is compiled, too
            else:
                shutil.copy(whole, copy.folder / name)
        yield copy
        copy.warm.end()


def main(names: Sequence[str]) -> list[str]:
    """Plant the faults of these names, or all; print a line each and return those that nothing noticed or that fit no more."""
    chosen = [fault for fault in FAULTS if not names or fault.name in names]
    with (
        server_with_template() as server,
        copy_of_repository() as one,
        copy_of_repository() as other,
        ThreadPoolExecutor(2) as hands,
    ):
        noticing = sorted({test for fault in chosen for test in fault.noticed_by})
        assert one.passes(noticing, {RUNNING: str(server.folder)}), "the tests fail as it is"
        free = Queue[Copy]()
        for copy in (one, other):
            free.put(copy)

        def outcome_of(fault: Fault) -> str:
            copy = free.get()
            try:
                outcome = copy.plant(fault, server.folder)
            finally:
                free.put(copy)
            print(f"{outcome:12} {fault.name}", flush=True)
            return outcome

        outcomes = list(hands.map(outcome_of, chosen))
    return [fault.name for fault, outcome in zip(chosen, outcomes, strict=True) if outcome != "caught"]


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
