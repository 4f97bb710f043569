"""An entitlement's files in Croissant 1.1, so that a program for machine learning loads them by one address.

Source: MLCommons, Croissant 1.1; its terms are those of schema.org and its own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from marketplace.delivery.downloads.rules import file_name
from marketplace.privacy.dictionary import ABSENT, INSTANT, INTEGER, TEXT

if TYPE_CHECKING:
    from marketplace.delivery.downloads.formats.file_format import FileInput
    from marketplace.delivery.downloads.queries import EntitlementRow

OWN: Final = (
    "citeAs",
    "column",
    "extract",
    "field",
    "fileProperty",
    "fileObject",
    "fileSet",
    "format",
    "includes",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
)
CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in OWN},
}
TYPES: Final = {TEXT: "sc:Text", INSTANT: "sc:DateTime", INTEGER: "sc:Integer"}
FILE: Final = "cells.parquet"


def described(row: EntitlementRow, given: FileInput, *, address: str, byte_count: int, seller: str) -> bytes:
    """Return the description as JSON-LD; address: of the Parquet file."""
    source = {"fileObject": {"@id": FILE}}
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"cells/{column.name}",
            "name": f"cells/{column.name}",
            "description": column.meaning.en,
            "dataType": TYPES[column.kind],
            "source": source | {"extract": {"column": column.name}},
        }
        for column in given.columns
    ]
    file = {
        "@type": "cr:FileObject",
        "@id": FILE,
        "name": file_name(row.dataset, row.period_from, row.period_to, row.level, "parquet", time_zone=row.time_zone),
        "contentUrl": address,
        "contentSize": f"{byte_count} B",
        "encodingFormat": "application/x-parquet",
        "sha256": row.cells_sha256,
    }
    described = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": row.dataset,
        "alternateName": [given.dataset.title_fr, given.dataset.title_en],
        "description": f"{given.dataset.description_en or given.dataset.title_en} {ABSENT.en}",
        "url": address,
        "license": f"Licence of order {row.number}, until {row.ends_at.date().isoformat()}",
        "creator": {"@type": "sc:Organization", "name": seller},
        "datePublished": row.sealed_at.date().isoformat(),
        "version": f"{given.release.revision}.{row.level}.0",
        "temporalCoverage": f"{row.period_from.isoformat()}/{row.period_to.isoformat()}",
        "citeAs": f"{seller}, {row.dataset}, release {row.release}",
        "distribution": [file],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "cells", "name": "cells", "field": fields}],
    }
    return json.dumps(described, ensure_ascii=False, indent=1).encode()
