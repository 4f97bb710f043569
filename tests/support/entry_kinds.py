"""Kinds of journal entry that only tests record: of any accounts, for facts that the marketplace itself never has."""

from marketplace.core.words import Words
from marketplace.money.ledger.entry_kinds import ANY, ENTRY_KINDS, EntryKind


def register_test_kinds() -> None:
    """Add the kinds to the registry of this process."""
    for code in ("any", "fact", "loss", "sale_back", "shares_x", "stripe_x"):
        ENTRY_KINDS[code] = EntryKind(code, Words(code), "", frozenset({(ANY, ANY)}))
