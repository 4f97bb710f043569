"""A dataset for search engines: schema.org's Dataset, as JSON-LD in its page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.offers.queries import ListedRelease, Listing
    from marketplace.privacy.dictionary import Column


def described(
    listing: Listing, release: ListedRelease, columns: Sequence[Column], *, seller: str, language: str
) -> str:
    """Return the document of a dataset's page, safe inside a script element; language: fr or en.

    Addresses are relative to the page's own, which JSON-LD allows.
    """
    address = f"/{language}/datasets/{listing.code}"
    document: dict[str, Any] = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": f"/datasets/{listing.code}",
        "identifier": listing.code,
        "name": getattr(listing, f"title_{language}"),
        "description": getattr(listing, f"description_{language}") or getattr(listing, f"title_{language}"),
        "inLanguage": language,
        "url": address,
        "isAccessibleForFree": False,
        "creator": {"@type": "Organization", "name": seller, "url": "/"},
        "license": f"{address}#licence",
        "version": str(release.revision),
        "spatialCoverage": {"@type": "Place", "name": listing.area},
        "temporalCoverage": f"{release.period_from.isoformat()}/{release.period_to.isoformat()}",
        "variableMeasured": [
            {"@type": "PropertyValue", "name": column.name, "description": getattr(column.meaning, language)}
            for column in columns
        ],
        "includedInDataCatalog": {"@type": "DataCatalog", "url": "/catalogue.jsonld"},
        "distribution": {"@type": "DataDownload", "encodingFormat": "application/vnd.apache.parquet", "url": address},
    }
    return json.dumps(document, ensure_ascii=False).replace("<", "\\u003c")
