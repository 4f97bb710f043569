"""Names of purposes in the Data Privacy Vocabulary, so that programs can compare consents and buyers' uses.

Only the terms of version 2.3 that suit figures of where people are.
Source: W3C Community Group DPVCG, Data Privacy Vocabulary 2.3, purposes.
"""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words

NAMESPACE: Final = "https://w3id.org/dpv#"
PURPOSES: Final = {
    "ImproveTransportMobility": Words(
        fr="améliorer les transports et la mobilité", en="improving transport and mobility"
    ),
    "ImprovePublicServices": Words(fr="améliorer les services publics", en="improving public services"),
    "PublicPolicyMaking": Words(fr="élaborer des politiques publiques", en="public policy making"),
    "ProvideOfficialStatistics": Words(fr="produire des statistiques officielles", en="official statistics"),
    "ProtectionOfPublicSecurity": Words(fr="protéger la sécurité publique", en="protecting public security"),
    "CombatClimateChange": Words(fr="lutter contre le changement climatique", en="combating climate change"),
    "ImproveHealthcare": Words(fr="améliorer les soins", en="improving healthcare"),
    "PublicBenefit": Words(fr="une autre utilité publique", en="another public benefit"),
    "ScientificResearch": Words(fr="la recherche scientifique", en="scientific research"),
    "AcademicResearch": Words(fr="la recherche universitaire", en="academic research"),
    "NonCommercialResearch": Words(fr="la recherche non commerciale", en="non-commercial research"),
    "CommercialResearch": Words(fr="la recherche commerciale", en="commercial research"),
    "ServiceOptimisation": Words(fr="améliorer ses propres services", en="improving one’s own services"),
    "SellInsightsFromData": Words(fr="vendre des études tirées des chiffres", en="selling insights from the figures"),
    "Marketing": Words(fr="le marketing", en="marketing"),
    "Advertising": Words(fr="la publicité", en="advertising"),
}
"""Local name in the vocabulary → its name here."""


def address(purpose: str) -> str:
    """Return the address that names a purpose of `PURPOSES`."""
    return NAMESPACE + purpose
