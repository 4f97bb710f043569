"""A policy as an offer in ODRL, in JSON-LD with prefixed names, for other parties' programs.

Permissions are of `odrl:use`, `odrl:distribute` (which includes using) and `odrl:sell` (which does not, and is to named
companies); a prohibition prevails over a permission. Who passes figures on passes this policy on with them. A permission's constraints are about the buyer and its use: purpose, industry, place, and
duration. Source: W3C, ODRL Information Model 2.2; ODRL Vocabulary and Expression 2.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.consent.vocabulary import address

if TYPE_CHECKING:
    from marketplace.catalogue.licences.policies import Policy

CONTEXT: Final = {
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
ACTIONS: Final = {"internal": "odrl:use", "publish": "odrl:distribute", "resell": "odrl:sell"}
"""A buyer's use → its action in ODRL."""
PERMITTED: Final = {
    "internal": ("odrl:use",),
    "publish": ("odrl:use", "odrl:distribute"),
    "resell": ("odrl:use", "odrl:sell"),
}
PROHIBITED: Final = {
    "internal": ("odrl:distribute", "odrl:sell"),
    "publish": ("odrl:sell",),
    "resell": ("odrl:distribute",),
}
PROFILE: Final = "/docs/partner/licences"
"""The page that explains our own terms, below the site's address."""


def offer(policy: Policy, *, site: str, dataset: str, terms: str, lines: tuple[str, str]) -> dict[str, Any]:
    """Return the offer of a dataset under a policy; lines: the policy's text in French and English."""
    target = {"@id": f"{site}/datasets/{dataset}"}
    seller = {"@id": f"{site}/#seller"}
    policy_id = {"@id": f"{site}/datasets/{dataset}/licence.jsonld"}
    constraints = _constraints(policy, site)
    permissions: list[dict[str, Any]] = []
    for action in PERMITTED[policy.right]:
        permission: dict[str, Any] = {"odrl:target": target, "odrl:assigner": seller, "odrl:action": {"@id": action}}
        permission |= {"odrl:constraint": constraints}
        if action == "odrl:sell":
            named = _constraint("recipient", "isAnyOf", [{"@id": f"{site}{PROFILE}#companies"}])
            permission["odrl:constraint"] = [*constraints, named]
        if action != "odrl:use":
            attribute = {"odrl:action": {"@id": "odrl:attribute"}, "odrl:attributedParty": seller}
            bind = {"odrl:action": {"@id": "odrl:nextPolicy"}, "odrl:target": policy_id}
            permission |= {"odrl:duty": [attribute, bind]}
        permissions.append(permission)
    reidentify = {
        "@id": f"{site}{PROFILE}#re-identify",
        "@type": "odrl:Action",
        "odrl:includedIn": {"@id": "odrl:use"},
        "rdfs:label": {"@language": "en", "@value": "to try to recognise somebody, or to remove the noise"},
    }
    prohibited = [{"@id": action} for action in PROHIBITED[policy.right]]
    recalled = {
        "odrl:leftOperand": {"@id": "odrl:event"},
        "odrl:operator": {"@id": "odrl:gt"},
        "odrl:rightOperand": {"@id": f"{site}{PROFILE}#recall"},
    }
    return {
        "@context": CONTEXT,
        "@id": f"{site}/datasets/{dataset}/licence.jsonld",
        "@type": ["odrl:Offer", "odrl:Policy"],
        "odrl:uid": policy_id,
        "odrl:profile": {"@id": f"{site}{PROFILE}"},
        "odrl:conflict": {"@id": "odrl:prohibit"},
        "dct:identifier": terms,
        "dct:description": [{"@language": "fr", "@value": lines[0]}, {"@language": "en", "@value": lines[1]}],
        "odrl:permission": permissions,
        "odrl:prohibition": [{"odrl:target": target, "odrl:action": action} for action in [reidentify, *prohibited]],
        "odrl:obligation": {"odrl:target": target, "odrl:action": {"@id": "odrl:delete"}, "odrl:constraint": recalled},
    }


def _constraints(policy: Policy, site: str) -> list[dict[str, Any]]:
    """Return the constraints of each permission: duration always, the others if they exclude somebody."""
    months = {"@type": "xsd:duration", "@value": f"P{policy.months}M"}
    found = [_constraint("elapsedTime", "lteq", months)]
    if policy.purposes:
        found.append(_constraint("purpose", "isAnyOf", [{"@id": address(code)} for code in policy.purposes]))
    if policy.sectors:
        sectors = [{"@id": f"{site}{PROFILE}#sector-{code}"} for code in policy.sectors]
        found.append(_constraint("industry", "isAnyOf", sectors))
    if policy.countries:
        found.append(_constraint("spatial", "isAnyOf", list(policy.countries)))
    return found


def _constraint(left: str, operator: str, right: Any) -> dict[str, Any]:  # noqa: ANN401 (a value of JSON-LD)
    return {
        "odrl:leftOperand": {"@id": f"odrl:{left}"},
        "odrl:operator": {"@id": f"odrl:{operator}"},
        "odrl:rightOperand": right,
    }
