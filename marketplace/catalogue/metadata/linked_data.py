"""Write our own JSON-LD documents with prefixed names as Turtle, without a library."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TYPE: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"


def turtle(document: Mapping[str, Any]) -> str:
    """Return a document as Turtle, one triple a line; the document's `@context` expands names."""
    return "\n".join(dict.fromkeys(_Writer(document["@context"]).lines(dict(document)))) + "\n"


class _Writer:
    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self.prefixes, self.blank = prefixes, 0

    def lines(self, node: dict[str, Any]) -> Iterator[str]:
        """Yield the triples of a node and of the nodes in it."""
        subject = self._name(node)
        for key, values in node.items():
            if key in {"@context", "@id"}:
                continue
            predicate = TYPE if key == "@type" else self._whole(key)
            for value in values if isinstance(values, list) else [values]:
                if key == "@type":
                    yield f"{subject} <{predicate}> <{self._whole(value)}> ."
                elif isinstance(value, dict) and "@value" not in value:
                    yield f"{subject} <{predicate}> {self._name(value)} ."
                    yield from self.lines(value)
                else:
                    yield f"{subject} <{predicate}> {self._literal(value)} ."

    def _name(self, node: dict[str, Any]) -> str:
        """Return a node's address, or the label of a node without one."""
        if "@id" not in node:
            self.blank += 1
            node["@id"] = f"_:b{self.blank}"
        name = str(node["@id"])
        return name if name.startswith("_:") else f"<{self._whole(name)}>"

    def _literal(self, value: Any) -> str:  # noqa: ANN401 (text, or JSON-LD's value)
        text = value["@value"] if isinstance(value, dict) else value
        quoted = json.dumps(str(text), ensure_ascii=False)
        if isinstance(value, dict) and "@language" in value:
            return f"{quoted}@{value['@language']}"
        return f"{quoted}^^<{self._whole(value['@type'])}>" if isinstance(value, dict) else quoted

    def _whole(self, name: str) -> str:
        prefix, _, local = name.partition(":")
        return self.prefixes[prefix] + local if prefix in self.prefixes else name
