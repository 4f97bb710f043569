"""A licence as one structure: its offer in ODRL, evaluated by somebody else, allows what is sold; its lines say the same."""

import json
import random
import re
from typing import Any

import pytest

from marketplace.catalogue.licences import odrl
from marketplace.catalogue.licences.policies import RIGHTS, Policy, Use, find_refused, five_lines, read_policy
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core.errors import Invalid

SITE = "https://site.example"
SECTORS = ("transport", "retail", "research")
COUNTRIES = ("FR", "BE", "DE")
INCLUDED = {"odrl:distribute": "odrl:use", "odrl:sell": "odrl:transfer"}
"""ODRL's own hierarchy of the actions that are asked for."""


def offer_allows(document: str, asked: dict[str, Any]) -> bool:
    """Evaluate an offer by the ODRL Information Model 2.2, from its JSON-LD alone.

    A rule is about an action where it names it or one that includes it. A permission needs all of its constraints; what a
    request does not say satisfies none but an upper bound. By the offer's `odrl:conflict` a prohibition prevails.
    """
    stated = json.loads(document)
    assert stated["odrl:conflict"] == {"@id": "odrl:prohibit"}

    def about(rule: dict[str, Any]) -> bool:
        return rule["odrl:action"]["@id"] in {asked["action"], INCLUDED.get(asked["action"])}

    def is_met(constraint: dict[str, Any]) -> bool:
        left, operator, right = (constraint[f"odrl:{name}"] for name in ("leftOperand", "operator", "rightOperand"))
        value = asked.get(left["@id"].removeprefix("odrl:"))
        if operator["@id"] == "odrl:lteq":
            months = re.fullmatch(r"P(\d+)M", right["@value"])
            assert months, right
            return int(value or 0) <= int(months[1])
        assert operator["@id"] == "odrl:isAnyOf"
        return value in [one["@id"] if isinstance(one, dict) else one for one in right]

    if any(about(rule) for rule in stated["odrl:prohibition"]):
        return False
    return any(about(rule) and all(map(is_met, rule["odrl:constraint"])) for rule in stated["odrl:permission"])


def some_of(dice: random.Random, of: Any) -> tuple[Any, ...]:
    """Return none of it half of the time, else some, in its order."""
    return tuple(one for one in of if dice.random() < 0.5) if dice.random() < 0.5 else ()


def test_an_evaluator_of_the_offer_answers_as_the_check_at_purchase_does() -> None:
    dice, names = random.Random(5), list(PURPOSES)[:5]  # noqa: S311 (a case, not a secret)
    answers = {True: 0, False: 0}
    clauses: set[str | None] = set()
    for _ in range(10_000):
        right = dice.choice(RIGHTS)
        policy = Policy(
            right, dice.randint(1, 120), some_of(dice, names), some_of(dice, SECTORS), some_of(dice, COUNTRIES)
        )
        use = Use(
            dice.choice(RIGHTS),
            dice.choice(("", *names)),
            dice.choice((None, *SECTORS)),
            dice.choice(COUNTRIES),
        )
        offered = odrl.offer(policy, site=SITE, dataset="lyon", terms="standard-1", lines=("fr", "en"))
        asked = {
            "action": odrl.ACTIONS[use.right],
            "purpose": f"https://w3id.org/dpv#{use.purpose}" if use.purpose else None,
            "industry": f"{SITE}{odrl.PROFILE}#sector-{use.sector}" if use.sector else None,
            "spatial": use.country,
            "recipient": f"{SITE}{odrl.PROFILE}#companies",
        }
        clause = find_refused(policy, use)
        clauses.add(clause)
        answer = offer_allows(json.dumps(offered), asked)
        assert answer == (clause is None), (policy, use)
        answers[answer] += 1
    assert min(answers.values()) > 1_000
    assert clauses == {None, "right", "purpose", "sector", "country"}


def test_the_five_lines_follow_from_the_same_structure() -> None:
    policy = read_policy("internal", 6, purposes=["Marketing", "PublicPolicyMaking"], countries="de; FR")
    english, french = (five_lines(policy, language).split("\n") for language in ("en", "fr"))
    assert len(english) == len(french) == 5
    assert "inside your company" in english[0]
    assert (
        english[1]
        == "For these purposes alone: public policy making, marketing; only for companies established in: Germany, France."
    )
    assert "le marketing ; réservé" in french[1]
    assert "dure autant que votre licence ;" in french[3]
    anyone = five_lines(Policy("resell", 12), "en").split("\n")
    assert anyone[1] == "For any purpose, wherever your company is."
    assert "to the companies named in your quote" in anyone[0]
    with pytest.raises(Invalid, match="two letters"):
        read_policy("internal", 6, purposes=[], countries=" ".join(f"{a}{b}" for a in "ABCDEF" for b in "ABCDEFGHIJKL"))


def test_the_offer_names_who_is_named_what_is_forbidden_and_what_follows_a_recall() -> None:
    stated = odrl.offer(Policy("publish", 12), site=SITE, dataset="lyon", terms="standard-1", lines=("fr", "en"))
    using, publishing = stated["odrl:permission"]
    assert "odrl:duty" not in using
    attribute, bind = publishing["odrl:duty"]
    assert attribute["odrl:action"] == {"@id": "odrl:attribute"}
    assert bind == {"odrl:action": {"@id": "odrl:nextPolicy"}, "odrl:target": stated["odrl:uid"]}
    forbidden = [rule["odrl:action"]["@id"] for rule in stated["odrl:prohibition"]]
    assert forbidden == [f"{SITE}/docs/partner/licences#re-identify", "odrl:sell"]
    assert stated["odrl:obligation"]["odrl:action"] == {"@id": "odrl:delete"}
