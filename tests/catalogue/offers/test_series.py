"""A series of releases is comparable: each states its method and its scale, and where it breaks with the one before."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.consent.purposes import actions as consent
from marketplace.core import clock
from marketplace.core.words import fields_of
from marketplace.datasets.releases import publishing
from marketplace.datasets.releases.tables import ReleaseNotice
from marketplace.privacy.series import ReleaseFacts, breaks, expansion_micro
from tests.catalogue.builders import open_catalogue, seal_week
from tests.consent.builders import PURPOSE
from tests.people.builders import Browser, page_text
from tests.support.reads import fetch_value

FIRST = ReleaseFacts(method_version=1, population=1000, revision=1, notices=(1,))


@pytest.mark.parametrize(
    ("after", "kinds"),
    [
        (FIRST, []),
        (ReleaseFacts(2, 1000, 1, (1,)), ["method"]),
        (ReleaseFacts(1, 1050, 1, (1,)), []),
        (ReleaseFacts(1, 1051, 1, (1,)), ["more lines"]),
        (ReleaseFacts(1, 950, 1, (1,)), []),
        (ReleaseFacts(1, 949, 1, (1,)), ["fewer lines"]),
        (ReleaseFacts(1, 1000, 1, (1, 2)), ["notice"]),
        (ReleaseFacts(1, 1000, 1, ()), []),
        (ReleaseFacts(1, 1000, 2, (1,)), ["revision"]),
        (ReleaseFacts(2, 2000, 3, (1, 4)), ["method", "more lines", "notice", "revision"]),
    ],
)
def test_a_release_breaks_where_it_differs_from_the_one_before(after: ReleaseFacts, kinds: list[str]) -> None:
    found = breaks(FIRST, after)
    assert [one.kind for one in found] == kinds
    for one in found:
        texts = (one.label.fr, one.label.en, one.sentence.fr, one.sentence.en)
        assert {fields_of(text) for text in texts} == {frozenset()}
        assert one.sentence.fr != one.sentence.en
    assert breaks(None, after) == []


def test_a_sentence_says_how_much() -> None:
    method, lines, notice, revision = breaks(FIRST, ReleaseFacts(2, 2000, 3, (1, 4)))
    assert method.sentence.en.startswith("Counted by version 2 of the method, the release before by version 1")
    assert (lines.sentence.en, lines.label.fr) == (
        "The area has 100% more lines than in the release before.",
        "lignes +100 %",
    )
    assert "version 4" in notice.sentence.en
    assert revision.label.en == "revision 3"


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_what_a_count_is_multiplied_by_gives_all_lines(population: int, consenting: int) -> None:
    factor = expansion_micro(population, consenting)
    assert (factor is None) == (consenting == 0)
    if factor is not None:
        assert abs(factor * consenting / 1_000_000 - population) <= consenting / 1_000_000


async def make_series() -> list[uuid.UUID]:
    """Seal four weeks: of the first method; of the second; of more lines, under another notice; and that again."""
    await open_catalogue()
    made = [
        await seal_week(weeks_ago=3),
        await seal_week(weeks_ago=2, method_version=2, expansion_micro=1_666_667),
        await seal_week(weeks_ago=1, method_version=2, population=1200, consenting=0),
        await seal_week(weeks_ago=1, method_version=2, population=1200, revision=2),
    ]
    await consent.publish_notice(PURPOSE, text_fr="On compte plus.", text_en="We count more.", at=clock.now())
    for number, release in enumerate(made):
        for version in (1, 2)[: 1 + (number > 1)]:
            notice = await fetch_value("SELECT id FROM notice WHERE version = $1", version)
            await ReleaseNotice(id=uuid.uuid4(), release=release, notice=notice).save()
    return made


async def test_breaks_travel_with_each_release_over_the_api() -> None:
    made = await make_series()
    async with Browser() as browser:
        answer = (await browser.get("/api/v1/datasets/lyon")).json()
        by_id = {uuid.UUID(row["id"]): row for row in answer["releases"]}
        rows = [by_id[release] for release in made]
        assert [row["method_version"] for row in rows] == [1, 2, 2, 2]
        assert [row["expansion_micro"] for row in rows] == [1_666_667, 1_666_667, None, 2_000_000]
        kinds = [[one["kind"] for one in row["breaks"]] for row in rows]
        assert kinds == [[], ["method"], ["more lines", "notice"], ["revision"]]
        assert rows[1]["breaks"][0]["sentence_fr"].startswith("Comptée par la version 2 de la méthode")
        await publishing.revoke(made[0], reason_fr="x", reason_en="x", by="Samir")
        after = {row["id"]: row["breaks"] for row in (await browser.get("/api/v1/datasets/lyon")).json()["releases"]}
    assert after[str(made[0])] == after[str(made[1])] == [], "a release that was called back is compared with nothing"


async def test_the_page_says_each_break_and_draws_it_in_both_languages() -> None:
    await make_series()
    async with Browser() as browser:
        for language, words in (
            (
                "en",
                (
                    "Break Counted by version 2 of the method",
                    "The area has 20% more lines",
                    "counted again (revision 2)",
                    "Lines that consent, as an index",
                    "Version 2 of counting",
                    "Multiplied by 2",
                ),
            ),
            (
                "fr",
                (
                    "Rupture Comptée par la version 2 de la méthode",
                    "20 % de lignes de plus",
                    "comptée à nouveau (révision 2)",
                    "Lignes qui consentent, en indice",
                    "Version 2 du comptage",
                    "Multipliés par 2",
                ),
            ),
        ):
            page = await browser.get(f"/{language}/datasets/lyon")
            text = " ".join(page_text(page).replace("\u00a0", " ").replace("\u202f", " ").split())
            for expected in words:
                assert expected in text, expected
            assert page.text.count('<path class="break"') == 2


async def test_a_single_release_has_no_course_to_draw() -> None:
    await open_catalogue()
    await seal_week()
    async with Browser() as browser:
        assert "as an index" not in (await browser.get("/en/datasets/lyon")).text
