"""A rule for bank lines as two people decide it: proposed from a line, and made once a second person approves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import asdict

from marketplace.core.errors import Invalid
from marketplace.core.web.formats import money
from marketplace.core.web.i18n import gettext
from marketplace.core.words import Words
from marketplace.finance.bank.matching import FEE_ACCOUNTS
from marketplace.finance.bank.rule_actions import book_by_rules
from marketplace.finance.bank.rule_tables import BankRule
from marketplace.money.ledger.words import title_of
from marketplace.people.audit_trail.actions import check_reason
from marketplace.people.proposals.actions import propose
from marketplace.people.proposals.rules import Decision, ProposalKind
from pricing.money import EUR

if TYPE_CHECKING:
    import uuid

    from marketplace.people.identity.actors import Actor

SHORTEST_WORDS, LONGEST_WORDS = 3, 140
LARGEST_MINOR: Final = 10**12


class Rule(Struct, frozen=True):
    """A rule as it is proposed: the columns of `bank_rule`."""

    words: str
    comes_in: bool
    most_minor: int
    account: str


def check_rule(words: str, most_minor: int, account: str) -> str:
    """Return a rule's words without the space around them; refuse what says too little, books nothing, or may not be."""
    plain = " ".join(words.split())
    if not SHORTEST_WORDS <= len(plain) <= LONGEST_WORDS:
        raise Invalid(
            "A rule needs {shortest} to {longest} characters of a line’s words.",
            shortest=SHORTEST_WORDS,
            longest=LONGEST_WORDS,
        )
    if not 0 < most_minor <= LARGEST_MINOR:
        raise Invalid("A rule needs an amount above zero that it books at most.")
    if account not in FEE_ACCOUNTS:
        raise Invalid("Choose an account of the list.")
    return plain


async def _check(document: Rule) -> None:
    check_rule(document.words, document.most_minor, document.account)


async def _make(document: Rule, decision: Decision) -> None:
    await BankRule.insert(BankRule(id=decision.proposal, **asdict(document)))


def _facts(document: Rule) -> list[tuple[str, str]]:
    return [
        (gettext("Which ones"), gettext("money that came in" if document.comes_in else "money that went out")),
        (gettext("On the account"), f"{document.account} {title_of(document.account)}"),
        (gettext("Up to"), money(document.most_minor, EUR)),
    ]


BANK_RULE: Final = ProposalKind(
    code="bank_rule",
    document=Rule,
    words=Words("Rule for bank lines to decide"),
    path="/finance/bank/rules",
    refusal="The same rule waits for a second person already.",
    check=_check,
    apply=_make,
    subject="{words} {comes_in} {most_minor} {account}",
    reference="{words}",
    facts=_facts,
    noted={"account": "account", "amount_minor": "most_minor"},
    afterwards=book_by_rules,
)


async def propose_rule(
    words: str,
    account: str,
    actor: Actor,
    *,
    comes_in: bool,
    most_minor: int,
    reason: str,
    form_id: uuid.UUID,
) -> None:
    """Propose to book lines with these words on an account, once a form; nothing is booked before another agrees."""
    document = Rule(check_rule(words, most_minor, account), comes_in, most_minor, account)
    await propose(BANK_RULE, document, actor, form_id=form_id, reason=check_reason(reason))
