"""Amounts as people write them become whole cents, or are refused: nothing is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.core.errors import Invalid
from marketplace.core.web import formats
from marketplace.core.web.formats import cents, read_cents
from marketplace.core.web.i18n import language

WRITTEN = {
    "12": 1_200,
    "12.5": 1_250,
    "12,50": 1_250,
    " 1 200,05 ": 120_005,
    "0,01": 1,
    "7.": 700,
    "50,5 €": 5_050,
    "1\u202f000.00": 100_000,
    "€3": 300,
}
ODD = (
    "",
    " ",
    "1.234",
    "1,2,3",
    "1.234,50",
    "1,234.50",
    "12€50",
    "12 50",
    "1 2345",
    "1 234 5",
    "12 345.6 7",
    "€€3",
    "١",
    "1e3",
    "abc",
    ",5",
    "--1",
    "1-",
    "1" * 10,
)


@given(st.integers(-(10**11) + 1, 10**11 - 1), st.sampled_from([".", ","]))
def test_any_amount_is_read_to_the_cent(cents: int, mark: str) -> None:
    sign = "-" if cents < 0 else ""
    assert read_cents(f" {sign}{abs(cents) // 100}{mark}{abs(cents) % 100:02d} €", signed=True) == cents


def test_amounts_as_people_write_them() -> None:
    assert {text: read_cents(text) for text in WRITTEN} == WRITTEN
    assert {text: read_cents(text, signed=True) for text in ("−3,07", "-3.07", "+1", "−€3.07")} == {
        "−3,07": -307,
        "-3.07": -307,
        "+1": 100,
        "−€3.07": -307,
    }


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_amount_is_refused(text: str) -> None:
    for signed in (False, True):
        with pytest.raises(Invalid):
            read_cents(text, signed=signed)


@pytest.mark.parametrize("text", ["-1", "−1", "+1"])
def test_a_sign_is_refused_where_none_is_wanted(text: str) -> None:
    with pytest.raises(Invalid):
        read_cents(text)


@pytest.mark.parametrize(
    ("micro", "french", "english"),
    [
        (0, "0,00\u00a0€", "€0.00"),
        (999, "moins d’un dixième de centime", "less than a tenth of a cent"),
        (10_000, "1\u00a0centime", "1\u00a0cent"),
        (14_246, "1,4\u00a0centime", "1.4\u00a0cents"),
        (-29_999, "−2,9\u00a0centimes", "−2.9\u00a0cents"),
        (999_999, "99,9\u00a0centimes", "99.9\u00a0cents"),
        (1_239_999, "1,23\u00a0€", "€1.23"),
        (-1_239_999, "−1,23\u00a0€", "−€1.23"),
    ],
)
def test_small_sums_are_said_in_cents(micro: int, french: str, english: str) -> None:
    for spoken, expected in (("fr", french), ("en", english)):
        token = language.set(spoken)
        assert cents(micro) == expected
        language.reset(token)


def test_days_and_months_that_are_text_are_written_as_people_read_them() -> None:
    token = language.set("fr")
    try:
        assert [formats.day_in_words(text) for text in ("2026-11-28", "2026-11", "P-2026-000036", "2026-13", "")] == [
            "28 nov. 2026",
            "novembre 2026",
            "P-2026-000036",
            "2026-13",
            "",
        ]
    finally:
        language.reset(token)
