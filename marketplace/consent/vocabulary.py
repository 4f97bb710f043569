"""Names of purposes in the Data Privacy Vocabulary, so that programs can compare consents and buyers' uses.

Only the terms of version 2.3 that suit figures of where people are.
Source: W3C Community Group DPVCG, Data Privacy Vocabulary 2.3, purposes.
"""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words

NAMESPACE: Final = "https://w3id.org/dpv#"
PURPOSES: Final = {
    "ImproveTransportMobility": Words("improving transport and mobility"),
    "ImprovePublicServices": Words("improving public services"),
    "PublicPolicyMaking": Words("public policy making"),
    "ProvideOfficialStatistics": Words("official statistics"),
    "ProtectionOfPublicSecurity": Words("protecting public security"),
    "CombatClimateChange": Words("combating climate change"),
    "ImproveHealthcare": Words("improving healthcare"),
    "PublicBenefit": Words("another public benefit"),
    "ScientificResearch": Words("scientific research"),
    "AcademicResearch": Words("academic research"),
    "NonCommercialResearch": Words("non-commercial research"),
    "CommercialResearch": Words("commercial research"),
    "ServiceOptimisation": Words("improving one’s own services"),
    "SellInsightsFromData": Words("selling insights from the figures"),
    "Marketing": Words("marketing"),
    "Advertising": Words("placing advertisements"),
}
"""Local name in the vocabulary → its name here."""


def address(purpose: str) -> str:
    """Return the address that names a purpose of `PURPOSES`."""
    return NAMESPACE + purpose
