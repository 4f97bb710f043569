"""What is for sale as DCAT-AP 3.0.1, one page of the catalogue as one document.

Source: SEMIC, DCAT-AP 3.0.1; its terms are from the tables of the EU's Publications Office. Terms are described in place, so
that a program without those tables can check the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.catalogue.queries import ListingRow

CONTEXT: Final = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
TERMS: Final = "http://publications.europa.eu/resource/authority/"
PARQUET: Final = "https://www.iana.org/assignments/media-types/application/vnd.apache.parquet"


def catalogue(
    listings: Sequence[ListingRow], *, site: str, seller: str, email: str, number: int, has_more: bool
) -> dict[str, Any]:
    """Return one page of the catalogue; number: the page's, from 1."""
    publisher = {"@id": f"{site}/#seller", "@type": "foaf:Agent", "foaf:name": seller}
    here = f"{site}/catalogue.jsonld?page="
    page: dict[str, Any] = {"@id": f"{here}{number}", "@type": "hydra:PartialCollectionView"}
    page |= {"hydra:first": {"@id": f"{here}1"}}
    page |= {"hydra:next": {"@id": f"{here}{number + 1}"}} if has_more else {}
    return {
        "@context": CONTEXT,
        "@id": f"{site}/catalogue",
        "@type": "dcat:Catalog",
        "dct:title": _both("Catalogue de Partage", "Partage’s catalogue"),
        "dct:description": _both(
            "Agrégats anonymes d’activité mobile, avec leur perte de confidentialité.",
            "Anonymous aggregates of mobile activity, with their privacy loss.",
        ),
        "dct:publisher": publisher,
        "foaf:homepage": {"@id": f"{site}/", "@type": "foaf:Document"},
        "dcat:dataset": [_dataset(one, site=site, publisher=publisher, email=email) for one in listings],
        "hydra:view": page,
    }


def _dataset(row: ListingRow, *, site: str, publisher: dict[str, Any], email: str) -> dict[str, Any]:
    address = f"{site}/datasets/{row.code}"
    contact: dict[str, Any] = {"@type": "vcard:Kind", "vcard:fn": publisher["foaf:name"]}
    contact |= {"vcard:hasEmail": {"@id": f"mailto:{email}"}} if email else {}
    period = {
        "@type": "dct:PeriodOfTime",
        "dcat:startDate": _instant(row.period_from),
        "dcat:endDate": _instant(row.period_to),
    }
    return {
        "@id": address,
        "@type": "dcat:Dataset",
        "dct:identifier": row.code,
        "dct:title": _both(row.title_fr, row.title_en),
        "dct:description": _both(row.description_fr or row.title_fr, row.description_en or row.title_en),
        "dct:publisher": publisher,
        "dcat:contactPoint": contact,
        "dcat:theme": _term("data-theme", "TRAN", "Transport"),
        "dct:accessRights": _term("access-right", "RESTRICTED", "restricted", "dct:RightsStatement"),
        "dct:temporal": period,
        "dcat:landingPage": {"@id": address, "@type": "foaf:Document"},
        "dcat:distribution": {
            "@id": f"{address}#parquet",
            "@type": "dcat:Distribution",
            "dct:title": _both("Fichier Parquet, sous licence", "Parquet file, under licence"),
            "dcat:accessURL": {"@id": address, "@type": "rdfs:Resource"},
            "dct:format": _term("file-type", "PARQUET", "Apache Parquet", "dct:MediaTypeOrExtent"),
            "dcat:mediaType": {"@id": PARQUET, "@type": "dct:MediaType"},
        },
    }


def _both(fr: str, en: str) -> list[dict[str, str]]:
    return [{"@language": "fr", "@value": fr}, {"@language": "en", "@value": en}]


def _instant(at: dt.datetime) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": at.isoformat()}


def _term(table: str, code: str, label: str, *types: str) -> dict[str, Any]:
    """Return a term of the Publications Office with its label and its table."""
    scheme = {"@id": TERMS + table, "@type": "skos:ConceptScheme", "dct:title": _both(table, table)[1]}
    return {
        "@id": f"{TERMS}{table}/{code}",
        "@type": ["skos:Concept", *types],
        "skos:prefLabel": {"@language": "en", "@value": label},
        "skos:inScheme": scheme,
    }
