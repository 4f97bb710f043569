"""The datasets for sale as DCAT-AP 3.0.1 and mobilityDCAT-AP 1.0, one page of the catalogue as one document.

Source: SEMIC, DCAT-AP 3.0.1; its terms are from the tables of the EU's Publications Office. NAPCORE, mobilityDCAT-AP
1.0, with its own tables. Terms are described in place, so that a program without those tables can check the document.
mobilityDCAT-AP requires a kind for every statement of rights, so the Publications Office's term has one here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.consent.vocabulary import address as purpose_address
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.catalogue.metadata.queries import Described

CONTEXT: Final = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "mobilitydcatap": "http://w3id.org/mobilitydcat-ap#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "dpv": "https://w3id.org/dpv#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
TERMS: Final = "http://publications.europa.eu/resource/authority/"
MOBILITY: Final = "https://w3id.org/mobilitydcat-ap/"
FREQUENCIES: Final = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "": "IRREG"}
"""A dataset's cadence → its frequency in the Publications Office's table."""
WGS84: Final = "http://www.opengis.net/def/crs/EPSG/0/4326"
PARQUET: Final = "https://www.iana.org/assignments/media-types/application/vnd.apache.parquet"


def catalogue(
    listings: Sequence[Described], *, site: str, seller: str, email: str, number: int, has_more: bool
) -> dict[str, Any]:
    """Return one page of the catalogue; number: of the page, from 1."""
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
        "dct:language": _languages(),
        "dct:spatial": {"@type": "dct:Location", "dct:identifier": {"@id": f"{TERMS}country/FRA"}},
        "foaf:homepage": {"@id": f"{site}/", "@type": "foaf:Document"},
        "dcat:dataset": [_dataset(one, site=site, publisher=publisher, email=email) for one in listings],
        "dcat:record": [_record(one, site=site) for one in listings],
        "hydra:view": page,
    }


def _record(row: Described, *, site: str) -> dict[str, Any]:
    """Return when a dataset entered the catalogue, and when its entry last changed."""
    return {
        "@id": f"{site}/datasets/{row.code}#record",
        "@type": "dcat:CatalogRecord",
        "dct:created": _instant(row.listed_at),
        "dct:modified": _instant(max(row.listed_at, row.sealed_at)),
        "dct:language": _languages(),
        "foaf:primaryTopic": {"@id": f"{site}/datasets/{row.code}"},
    }


def _dataset(row: Described, *, site: str, publisher: dict[str, Any], email: str) -> dict[str, Any]:
    address = f"{site}/datasets/{row.code}"
    period = {
        "@type": "dct:PeriodOfTime",
        "dcat:startDate": _instant(row.period_from),
        "dcat:endDate": _instant(row.period_to),
    }
    product = PRODUCTS[row.product]
    restricted = _term("access-right", "RESTRICTED", "restricted", "dct:RightsStatement") | _conditions()
    described = {
        "@id": address,
        "@type": "dcat:Dataset",
        "dct:identifier": row.code,
        "dct:title": _both(row.title_fr, row.title_en),
        "dct:description": _both(row.description_fr or row.title_fr, row.description_en or row.title_en),
        "dct:publisher": publisher,
        "dct:rightsHolder": {"@id": publisher["@id"]},
        "dcat:theme": [_term("data-theme", *theme) for theme in product.themes],
        "dct:accessRights": restricted,
        "dct:accrualPeriodicity": _term(
            "frequency", FREQUENCIES[row.cadence], row.cadence or "irregular", "dct:Frequency"
        ),
        "dct:spatial": {"@type": "dct:Location", "dct:identifier": row.area},
        "dct:conformsTo": {"@id": WGS84, "@type": "dct:Standard"},
        "dct:temporal": period,
        "dct:modified": _instant(row.sealed_at),
        "mobilitydcatap:mobilityTheme": _mobility("mobility-theme", *product.mobility_theme),
        "mobilitydcatap:georeferencingMethod": _mobility("georeferencing-method", "geocoordinates", "Geocoordinates"),
        "dcat:landingPage": {"@id": address, "@type": "foaf:Document"},
        "dcat:distribution": _distribution(row, address),
    }
    if row.dpv:
        described["dpv:hasPurpose"] = {"@id": purpose_address(row.dpv), "@type": "dpv:Purpose"}
    if email:  # mobilityDCAT-AP requires a contact by mail.
        mailbox = {"@id": f"mailto:{email}", "@type": "owl:Thing"}
        contact = {"@type": "vcard:Kind", "vcard:fn": publisher["foaf:name"], "vcard:hasEmail": mailbox}
        described["dcat:contactPoint"] = contact
    return described


def _distribution(row: Described, address: str) -> dict[str, Any]:
    rights = {"@id": f"{address}#rights", "@type": "dct:RightsStatement"} | _conditions()
    rights |= {"rdfs:label": [*_both("\n".join(row.text("fr")), "\n".join(row.text("en")))]}
    return {
        "@id": f"{address}#parquet",
        "@type": "dcat:Distribution",
        "dct:title": _both("Fichier Parquet, sous licence", "Parquet file, under licence"),
        "dcat:accessURL": {"@id": address, "@type": "rdfs:Resource"},
        "dct:format": _term("file-type", "PARQUET", "Apache Parquet", "dct:MediaTypeOrExtent"),
        "dcat:mediaType": {"@id": PARQUET, "@type": "dct:MediaType"},
        "dct:license": {"@id": f"{address}/licence.jsonld", "@type": "dct:LicenseDocument"},
        "dct:rights": rights,
        "odrl:hasPolicy": {"@id": f"{address}/licence.jsonld", "@type": ["odrl:Offer", "odrl:Policy"]},
        "mobilitydcatap:mobilityDataStandard": _mobility("mobility-data-standard", "other", "Other"),
        "mobilitydcatap:applicationLayerProtocol": _mobility("application-layer-protocol", "http-https", "HTTP HTTPS"),
        "mobilitydcatap:communicationMethod": _mobility("communication-method", "pull", "Pull"),
    }


def _conditions() -> dict[str, Any]:
    """Return the kind of the statement of rights: a licence that costs something."""
    table = "conditions-for-access-and-usage"
    return {"dct:type": _mobility(table, "licence-provided-fee-required", "Licence provided, fee required")}


def _languages() -> list[dict[str, Any]]:
    return [
        _term("language", "FRA", "French", "dct:LinguisticSystem"),
        _term("language", "ENG", "English", "dct:LinguisticSystem"),
    ]


def _both(fr: str, en: str) -> list[dict[str, str]]:
    return [{"@language": "fr", "@value": fr}, {"@language": "en", "@value": en}]


def _instant(at: dt.datetime) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": at.isoformat(timespec="seconds")}


def _term(table: str, code: str, label: str, *types: str) -> dict[str, Any]:
    """Return a term of the Publications Office, its label and its table."""
    return _concept(TERMS + table, table, code, label, *types)


def _mobility(table: str, code: str, label: str) -> dict[str, Any]:
    """Return a term of mobilityDCAT-AP, its label and its table."""
    return _concept(MOBILITY + table, table, code, label)


def _concept(scheme: str, table: str, code: str, label: str, *types: str) -> dict[str, Any]:
    return {
        "@id": f"{scheme}/{code}",
        "@type": ["skos:Concept", *types],
        "skos:prefLabel": {"@language": "en", "@value": label},
        "skos:inScheme": {"@id": scheme, "@type": "skos:ConceptScheme", "dct:title": _both(table, table)[1]},
    }
