"""The demo's map layers: rivers, main roads, districts and places of Lyon and Grenoble, hand-drawn to some 100 m."""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from marketplace.datasets.geography.layer_actions import add_layer
from marketplace.demo.seed_people import NAMESPACE, STEWARD, get_staff

Line = tuple[tuple[float, float], ...]
"""Latitudes and longitudes."""

RIVERS: Final[dict[str, Line]] = {
    "Isère": (
        *((45.2050, 5.7980), (45.1960, 5.7720), (45.1880, 5.7560), (45.1950, 5.7400), (45.1935, 5.7260)),
        *((45.1990, 5.7180), (45.2080, 5.7050), (45.2230, 5.6850)),
    ),
    "Drac": ((45.1330, 5.7010), (45.1560, 5.6990), (45.1780, 5.7020), (45.1960, 5.6950), (45.2110, 5.6860)),
    "Saône": (
        *((45.8420, 4.8390), (45.8290, 4.8460), (45.8180, 4.8445), (45.8080, 4.8350), (45.7990, 4.8325)),
        *((45.7915, 4.8290), (45.7850, 4.8180), (45.7790, 4.8110), (45.7735, 4.8105), (45.7695, 4.8170)),
        *((45.7690, 4.8240), (45.7665, 4.8285), (45.7600, 4.8275), (45.7540, 4.8235), (45.7480, 4.8175)),
        *((45.7400, 4.8155), (45.7320, 4.8180), (45.7265, 4.8190)),
    ),
    "Rhône": (
        *((45.8230, 4.9700), (45.8130, 4.9330), (45.8060, 4.9050), (45.7990, 4.8850), (45.7925, 4.8640)),
        *((45.7855, 4.8470), (45.7790, 4.8400), (45.7715, 4.8370), (45.7640, 4.8392), (45.7560, 4.8400)),
        *((45.7480, 4.8340), (45.7400, 4.8270), (45.7330, 4.8215), (45.7265, 4.8190), (45.7120, 4.8310)),
        *((45.6980, 4.8430), (45.6820, 4.8440), (45.6600, 4.8330)),
    ),
}
ROADS: Final[dict[str, Line]] = {
    "A6 – A7": (
        *((45.8300, 4.7720), (45.8050, 4.7800), (45.7890, 4.7930), (45.7780, 4.8000), (45.7560, 4.8250)),
        *((45.7480, 4.8270), (45.7380, 4.8230), (45.7290, 4.8235), (45.7110, 4.8480), (45.6900, 4.8560)),
    ),
    "Périphérique Laurent Bonnevay": (
        *((45.7960, 4.8410), (45.7930, 4.8650), (45.7890, 4.8890), (45.7770, 4.9130), (45.7610, 4.9140)),
        *((45.7450, 4.9080), (45.7330, 4.8960), (45.7240, 4.8790), (45.7180, 4.8600), (45.7110, 4.8480)),
    ),
    "Cours Lafayette": ((45.7670, 4.8400), (45.7655, 4.8600), (45.7640, 4.8800), (45.7650, 4.9010)),
    "Rocade sud": ((45.1530, 5.6900), (45.1490, 5.7150), (45.1520, 5.7400), (45.1640, 5.7620), (45.1840, 5.7800)),
    "Avenue Berthelot": ((45.7475, 4.8345), (45.7440, 4.8500), (45.7385, 4.8650), (45.7330, 4.8850)),
}
DISTRICTS: Final[dict[str, tuple[str, Line]]] = {
    "Lyon 1er": ("69001", ((45.7735, 4.8240), (45.7730, 4.8385), (45.7665, 4.8385), (45.7665, 4.8280))),
    "Lyon 2e": (
        "69002",
        ((45.7665, 4.8280), (45.7665, 4.8385), (45.7560, 4.8395), (45.7265, 4.8190), (45.7480, 4.8170)),
    ),
    "Lyon 3e": (
        "69003",
        ((45.7665, 4.8395), (45.7640, 4.8960), (45.7470, 4.8960), (45.7530, 4.8600), (45.7530, 4.8390)),
    ),
    "Lyon 4e": (
        "69004",
        ((45.7990, 4.8320), (45.7880, 4.8450), (45.7730, 4.8385), (45.7735, 4.8150), (45.7850, 4.8180)),
    ),
    "Lyon 5e": (
        "69005",
        ((45.7695, 4.8170), (45.7600, 4.8270), (45.7480, 4.8170), (45.7480, 4.7850), (45.7690, 4.7950)),
    ),
    "Lyon 6e": (
        "69006",
        ((45.7850, 4.8470), (45.7850, 4.8700), (45.7665, 4.8700), (45.7665, 4.8395), (45.7790, 4.8400)),
    ),
    "Lyon 7e": (
        "69007",
        ((45.7530, 4.8390), (45.7530, 4.8570), (45.7200, 4.8450), (45.7265, 4.8195), (45.7480, 4.8340)),
    ),
    "Lyon 8e": ("69008", ((45.7530, 4.8570), (45.7470, 4.8960), (45.7240, 4.8830), (45.7200, 4.8450))),
    "Lyon 9e": (
        "69009",
        ((45.8080, 4.8330), (45.7850, 4.8170), (45.7695, 4.8150), (45.7690, 4.7900), (45.8050, 4.7850)),
    ),
    "Villeurbanne": (
        "69100",
        (
            (45.7930, 4.8700),
            (45.7890, 4.9100),
            (45.7640, 4.9140),
            (45.7560, 4.8960),
            (45.7640, 4.8960),
            (45.7665, 4.8700),
        ),
    ),
}
PLACES: Final[dict[str, tuple[float, float]]] = {
    "Bellecour": (45.7578, 4.8320),
    "Part-Dieu": (45.7606, 4.8600),
    "Villeurbanne": (45.7715, 4.8880),
    "Croix-Rousse": (45.7790, 4.8270),
    "Gerland": (45.7300, 4.8330),
    "Vaise": (45.7790, 4.8000),
    "Bron": (45.7390, 4.9080),
    "Vénissieux": (45.7080, 4.8830),
    "Tassin": (45.7600, 4.7800),
    "Tête d’Or": (45.7800, 4.8540),
    "Confluence": (45.7400, 4.8190),
    "Monplaisir": (45.7450, 4.8700),
    "Caluire": (45.7960, 4.8490),
    "Grenoble": (45.1885, 5.7245),
    "Villeneuve": (45.1620, 5.7330),
    "Saint-Martin-d’Hères": (45.1750, 5.7620),
    "Échirolles": (45.1480, 5.7150),
    "Meylan": (45.2090, 5.7780),
}


def districts() -> str:
    """Return Lyon's districts as a table of the operator's own zones, in GeoJSON."""
    features = [
        {
            "type": "Feature",
            "properties": {"code": code, "name": name},
            "geometry": {"type": "Polygon", "coordinates": [_line((*ring, ring[0]))]},
        }
        for name, (code, ring) in DISTRICTS.items()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


async def draw_layers() -> None:
    """Upload the layers like a steward; a second run changes nothing."""
    steward = await get_staff(STEWARD)
    for kind, title, features in layers():
        text = json.dumps({"type": "FeatureCollection", "features": features})
        await add_layer(steward, uuid.uuid5(NAMESPACE, f"layer {kind}"), kind=kind, title=title, text=text)


def layers() -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Return the kind, the title and the GeoJSON features of each layer."""
    return [
        (
            "water",
            "Saône, Rhône, Isère et Drac",
            [_feature(name, "LineString", _line(line)) for name, line in RIVERS.items()],
        ),
        ("road", "Grands axes", [_feature(name, "LineString", _line(line)) for name, line in ROADS.items()]),
        (
            "outline",
            "Arrondissements et Villeurbanne",
            [
                _feature(name, "Polygon", [_line((*ring, ring[0]))], postcodes=[code])
                for name, (code, ring) in DISTRICTS.items()
            ],
        ),
        ("place", "Quartiers", [_feature(name, "Point", [east, north]) for name, (north, east) in PLACES.items()]),
    ]


def _feature(name: str, kind: str, coordinates: list[Any], **more: list[str]) -> dict[str, Any]:
    properties: dict[str, Any] = {"name": name, **more}
    return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}


def _line(places: Line) -> list[list[float]]:
    return [[longitude, latitude] for latitude, longitude in places]
