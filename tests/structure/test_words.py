"""Plain English: words that are not used, and the reader that finds them."""

import ast

import pytest

from tests.support.ratchet import check
from tests.support.source import strings_in
from tests.words_not_used import comments_in, find_in_name, find_in_text, names_in, words_not_used

TWENTY_WORST = (
    "tell",
    "take",
    "hold",
    "calls.py",
    "contributors.py",
    "call_pages.py",
    "award_calls",
    "lanes.py",
    "Lane",
    "_told",
    "_taken",
    "is_away",
    "amiss",
    "standing",
    "stands",
    "_standings",
    "question.py",
    "Question",
    "definition.py",
    "Answer",
    "World",
    "world.py",
    "worlds.py",
    "papers",
    "work_on_papers",
    "paper.py",
    "money_back",
    "back",
    "lost_minor",
    "goes_back",
    "keep_names",
    "keep_details",
    "keep_window",
    "look_for_money",
    "ask_for_money",
    "look_for_method",
    "turns.py",
    "alone",
    "Turns",
    "speaking",
    "Calm",
    "MACHINE_DOORS",
    "doors",
    "WHOLE",
    "LEFT",
    "_BOOK",
    "_BACK",
    "_ALL",
    "OURS",
    "PAID",
    "HANGS_ON",
    "WATCHED",
    "let_go",
    "let_go_and_came",
    "Say",
    "say",
    "said",
    "_telling",
    "AT_ONCE",
    "Numbers",
    "people.py",
    "hold_periods",
    "_held",
)


def test_the_repository_uses_no_word_of_the_list() -> None:
    check(words_not_used)


@pytest.mark.parametrize("name", TWENTY_WORST)
def test_the_worst_names_are_found(name: str) -> None:
    assert list(find_in_name(name, "marketplace/sales/auctions/lanes.py", 1))


@pytest.mark.parametrize(
    "name",
    [
        "hold_days",
        "hold_shares",
        "held_until",
        "held_back_minor",
        "intake",
        "mistaken",
        "understand",
        "standard",
        "household",
        "bedroom",
        "kept",
        "pushback",
        "callback",
        "recall",
        "bookkeeping",
        "backup",
        "answer",
        "people",
        "teller",
        "outstanding_minor",
        "payback_days",
        "all_orders",
        "left",
        "paid",
        "line_numbers",
    ],
)
def test_the_right_names_are_not_found(name: str) -> None:
    assert not list(find_in_name(name, "marketplace/sales/auctions/lanes.py", 1))


@pytest.mark.parametrize(
    "text",
    [
        "Tell the monitor how the service is.",
        "what is told of a release's cells",
        "The job takes the bids that wait.",
        "An answer is taken once.",
        "Take one entry\nback.",
        "Read while holding the auction's row.",
        "The lock is held.",
        "Return where an auction stands.",
        "state IN ('standing', 'closed')",
        "how much is amiss",
        "a partner is charged while away",
        "Whoever states twice at once has one ask",
        "whatever is still open",
        "Whom no key opens is named",
        "whom we invited",
        "the people's door",
        "how the house works",
        "beside each room",
        "waits in its lane",
        "draws the papers",
        "what two people agreed to let go",
        "Let a small difference go",
        "nothing hangs on it",
        "the job keep-names",
    ],
)
def test_sentences_that_puzzle_are_found(text: str) -> None:
    assert list(find_in_text(text, "marketplace/sales/auctions/lanes.py", 1))


@pytest.mark.parametrize(
    "text",
    [
        "It takes an argument.",
        "A build takes part only once.",
        "takes effect at the next build",
        "takes too long",
        "This email is taken.",
        "Take an advisory lock.",
        "The bank took the payment back.",
        "rows taken from the statement",
        "Shares are held until the hold ends.",
        "an IBAN that replaced another is on hold for HOLD_DAYS",
        "a row group holds them",
        "VAT stands for value added tax",
        "a stand-in",
        "Tell them apart.",
        "Enough to be paid: tell us where.",
        "right away",
        "six metres away",
        "We keep your name for a year.",
        "whatever the price",
        "in whatever order",
        "for whom it was made",
        "to whom",
        "an auction house",
        "in-house",
        "make room for one",
        "there is no room left",
        "Do you understand?",
        "standard",
        "household",
        "outdoor",
        "newspapers",
        "it lets gold through",
        "a takeover",
    ],
)
def test_plain_sentences_are_not_found(text: str) -> None:
    assert not list(find_in_text(text, "marketplace/sales/auctions/lanes.py", 1))


def test_a_finding_is_a_sentence_with_file_and_line() -> None:
    (found,) = find_in_text("Fine.\nWhat is amiss\nhere", "marketplace/site/metrics.py", 10)
    assert str(found) == "marketplace/site/metrics.py:11 “amiss” in “…Fine. What is amiss here…”; use: failed, errors"


def test_names_strings_and_comments_of_python_are_read() -> None:
    source = '''\
def place(bid: int, *, told: bool) -> None:
    """Place it."""
    self.lead = f"one {bid} two"  # why
    # and
    # how
    for number in bids:
        row = {"key": number}
'''
    nodes = list(ast.walk(ast.parse(source)))
    assert {name for name, _ in names_in(nodes)} == {"place", "bid", "told", "lead", "number", "row"}
    assert set(strings_in(nodes)) == {("Place it.", 2), ("one {} two", 3), ("key", 7)}
    assert list(comments_in(source)) == [("why\nand\nhow", 3)]
