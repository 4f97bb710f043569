"""The page that walks through the security standard names every requirement once, and only tests that there are."""

import re
from collections import Counter
from pathlib import Path

import pytest

from marketplace.site.docs import manual

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENTS = {
    "1.1": (1, 2),
    "1.2": range(1, 10),
    "1.3": range(1, 12),
    "1.4": (1, 2, 3),
    "1.5": (1, 2),
    "2.1": (1, 2, 3),
    "2.2": (1, 2, 3),
    "2.3": (1, 2, 3, 4),
    "2.4": (1,),
    "3.2": (1, 2),
    "3.3": (1, 2, 3, 4),
    "3.4": range(1, 7),
    "3.5": range(1, 6),
    "3.7": (1, 2),
    "4.1": (1, 2, 3),
    "4.2": (1,),
    "4.3": (1, 2),
    "4.4": (1, 2, 3, 4),
    "5.1": (1,),
    "5.2": (1, 2, 3),
    "5.3": (1, 2),
    "5.4": (1, 2, 3),
    "6.1": (1, 2, 3),
    "6.2": range(1, 13),
    "6.3": (1, 2, 3, 4),
    "6.4": (1, 2, 3, 4),
    "6.5": range(1, 6),
    "6.6": (1, 2, 3),
    "6.8": (1, 2, 3, 4),
    "7.1": (1, 2, 3),
    "7.2": (1, 2, 3, 4),
    "7.3": (1, 2),
    "7.4": range(1, 6),
    "7.5": (1, 2),
    "7.6": (1, 2),
    "8.1": (1, 2),
    "8.2": (1, 2, 3),
    "8.3": (1,),
    "8.4": (1,),
    "9.1": (1, 2, 3),
    "9.2": (1, 2, 3, 4),
    "10.1": (1, 2),
    "10.2": (1, 2),
    "10.3": (1, 2, 3, 4),
    "10.4": range(1, 12),
    "10.5": range(1, 6),
    "10.6": (1, 2),
    "10.7": (1, 2, 3),
    "11.1": (1, 2),
    "11.2": (1, 2, 3),
    "11.3": (1, 2, 3),
    "11.4": (1, 2, 3, 4),
    "11.5": (1,),
    "11.6": (1,),
    "12.1": (1, 2, 3),
    "12.2": (1, 2),
    "12.3": (1, 2, 3, 4),
    "13.1": (1,),
    "13.2": range(1, 6),
    "13.3": (1, 2),
    "13.4": range(1, 6),
    "14.1": (1, 2),
    "14.2": (1, 2, 3, 4),
    "14.3": (1, 2, 3),
    "15.1": (1, 2, 3),
    "15.2": (1, 2, 3),
    "15.3": range(1, 8),
    "16.1": (1,),
    "16.2": range(1, 6),
    "16.3": (1, 2, 3, 4),
    "16.4": (1, 2, 3),
    "16.5": (1, 2, 3),
}
"""Sections of ASVS 5.0.0 → the requirements of levels 1 and 2 in each. Of V17, WebRTC, there is nothing here."""
LEAST_MET = 0.5
"""Of the requirements of a chapter that there is something of."""


def requirements() -> list[list[str]]:
    """Return the cells of the page's tables: requirement, in short, state, shown by."""
    lines = re.findall(r"^\| (\d.*) \|$", manual.text_of("operator", "security"), re.MULTILINE)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def numbers(cell: str) -> list[str]:
    """Return the requirements that a row is about: `10.4.1–11` is eleven."""
    section, _, last = cell.rpartition(".")
    first, _, until = last.partition("–")
    return [f"{section}.{number}" for number in range(int(first), int(until or first) + 1)]


def test_every_requirement_of_the_level_has_its_row_once() -> None:
    listed = Counter(one for number, *_ in requirements() if not number.startswith("17") for one in numbers(number))
    assert set(listed.values()) == {1}
    assert sorted(listed) == sorted(f"{section}.{last}" for section, ends in REQUIREMENTS.items() for last in ends)


@pytest.mark.long
def test_what_is_met_names_a_test_that_there_is_and_what_is_not_says_why() -> None:
    wrong = []
    for number, _, state, shown in requirements():
        named = shown.strip("`")
        path, _, test = named.partition("::")
        if state == "met" and named.startswith("tests/"):
            if not test or not re.search(rf"def {test}\(", (ROOT / path).read_text()):
                wrong.append(f"{number} names {named}")
        elif state == "met" and named != "above" and not list(ROOT.glob(f"**/{named}")):
            wrong.append(f"{number} names {named}")
        elif state not in {"met", "not", "none"} or (state == "not" and len(shown) < 30):
            wrong.append(f"{number} gives no reason")
    assert not wrong, "\n".join(wrong)


def test_no_chapter_is_wholly_unmet() -> None:
    states: dict[str, Counter[str]] = {}
    for number, _, state, _ in requirements():
        states.setdefault(number.partition(".")[0], Counter())[state] += 1
    for chapter, counted in states.items():
        theirs = counted["met"] + counted["not"]
        assert chapter == "17" or counted["met"] >= theirs * LEAST_MET, f"V{chapter}: {counted}"
