"""Invoices as documents: buyers of several countries, and what is written of a sale to them."""

from typing import Any

NET = 123_457


BUYERS = {
    "domestic": ("FR", "FR40303265045", 2000),
    "overseas": ("MQ", "FR40303265045", 850),
    "overseas_exempt": ("GF", "", 0),
    "unverified": ("DE", "DE136695976", 2000),
    "reverse_charge": ("DE", "DE136695976", 0),
    "outside_eu": ("US", "", 0),
}


def invoice_document(rule: str = "domestic", kind: str = "invoice", spoken: str = "fr", **buyer: str) -> dict[str, Any]:
    country, number, rate = BUYERS[rule]
    vat = (NET * rate + 5000) // 10_000
    return {
        "kind": kind,
        "number": "F-2026-000042" if kind == "invoice" else "A-2026-000003",
        "language": spoken,
        "issued_on": "2026-11-24",
        "delivered_on": "2026-11-23",
        "order": "P-2026-000007",
        "corrects": None if kind == "invoice" else {"number": "F-2026-000042", "issued_on": "2026-11-20"},
        "seller": {
            "name": "Partage SAS",
            "street": "1 rue de l’Essai",
            "postcode": "75001",
            "city": "Paris",
            "siren": "123456782",
            "vat_number": "FR11123456782",
            "legal": "SAS au capital de 10 000 €, RCS Paris",
        },
        "buyer": {
            "name": "Łódź & Δέλτα <SA>",
            "country": country,
            "vat_number": number,
            "street": "12 quai",
            "postcode": "69005",
            "city": "Lyon",
            "reference": "PO-7788",
            **buyer,
        },
        "lines": [
            {
                "title_fr": "Lyon heure par heure",
                "title_en": "Lyon by the hour",
                "months": 12,
                "from": "2026-10-01",
                "until": "2026-11-01T00:00:00+00:00",
                "net_minor": NET,
            }
        ],
        "currency": "EUR",
        "vat_rule": rule,
        "vat_basis_points": rate,
        "net_minor": NET,
        "vat_minor": vat,
        "total_minor": NET + vat,
    }
