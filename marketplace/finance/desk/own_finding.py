"""What a subscriber finds: in the lists that their own pages show, read by the functions that those pages read them by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.consent.purposes.queries import list_choices
from marketplace.core.web.formats import cents, money, period
from marketplace.core.web.pages import localised
from marketplace.finance.desk.queries import MOST_FOUND, SHORTEST, SearchHit
from marketplace.sales.auctions.reverse_queries import list_auctions
from marketplace.subscribers.earnings.movements import find_mine
from marketplace.subscribers.earnings.queries import list_shares
from marketplace.subscribers.payouts.queries import list_payouts

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGES_READ: Final = 5
"""Of the latest shares and payouts: older ones are on the pages."""


async def search_of_line(line: int, text: str) -> list[SearchHit]:
    """Return a line's shares, payouts, choices and calls that have a text in a title, area, notice or amount; none for one sign."""
    wanted = text.strip().casefold()
    if len(wanted) < SHORTEST:
        return []
    kinds = (await _shares(line), await _payouts(line), await _choices(line), await _calls(line))
    found = [_first(kind, wanted) for kind in kinds]
    return [one for kind in found for one in kind]


def _first(among: Sequence[tuple[str, SearchHit]], wanted: str) -> list[SearchHit]:
    """Return the first whose words have the text."""
    return [found for words, found in among if wanted in words.casefold()][:MOST_FOUND]


async def _shares(line: int) -> list[tuple[str, SearchHit]]:
    """Return the latest shares with what each is found by: title and area of the dataset, and the period, as they are shown."""
    mine, found = await find_mine(line), list[tuple[str, SearchHit]]()
    for number in range(1, PAGES_READ + 1):
        page = await list_shares(line, number, mine)
        for row in page.rows:
            when = period(row.period_from, row.period_to, row.time_zone)
            path = f"/earnings/shares/{row.id}"
            share = SearchHit("share", localised(row, "title"), f"{when} · {cents(row.share_micro)}", path, None)
            found.append((f"{row.title_fr}\n{row.title_en}\n{row.area}\n{when}", share))
        if not page.more:
            break
    return found


async def _payouts(line: int) -> list[tuple[str, SearchHit]]:
    """Return the latest payouts with what each is found by: its amount, and the last digits of the account it went to."""
    found = list[tuple[str, SearchHit]]()
    for number in range(1, PAGES_READ + 1):
        page = await list_payouts(line, number)
        for row in page.rows:
            amount, account = money(row.amount_minor), f"… {row.last_four}" if row.last_four else ""
            words = f"{amount}\n{row.amount_minor // 100}.{row.amount_minor % 100:02d}\n{account}"
            found.append((words, SearchHit("payout", amount, account, "/earnings/payouts", row.drafted_at)))
        if not page.more:
            break
    return found


async def _choices(line: int) -> list[tuple[str, SearchHit]]:
    """Return each purpose that a line may consent to, found by its titles and notice, with when it last said so."""
    return [
        (
            f"{row.title_fr}\n{row.title_en}\n{row.text_fr}\n{row.text_en}",
            SearchHit(
                "choice", localised(row, "title"), localised(row, "text"), f"/consent/choices/{row.code}", row.at
            ),
        )
        for row in await list_choices(line)
    ]


async def _calls(line: int) -> list[tuple[str, SearchHit]]:
    """Return the latest calls for contributors, each found by its titles, its groups' and its purpose's."""
    found = list[tuple[str, SearchHit]]()
    for number in range(1, PAGES_READ + 1):
        page = await list_auctions(line, number)
        for shown in page.rows:
            row, groups = shown.auction, " · ".join(localised(one, "title") for one in shown.strata)
            names = [row.title_fr, row.title_en, row.purpose_fr, row.purpose_en]
            names += [name for one in shown.strata for name in (one.title_fr, one.title_en)]
            found.append(
                ("\n".join(names), SearchHit("call", localised(row, "title"), groups, f"/calls/{row.id}", row.opens_at))
            )
        if not page.more:
            break
    return found
