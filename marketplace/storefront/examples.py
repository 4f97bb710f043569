"""What the figures of each product are good for: a use and worked examples, and programs that read the free sample."""

from __future__ import annotations

from typing import Final

from marketplace.words import Words

PRESENCE: Final = (
    Words(
        fr="Pour savoir où sont les gens, et quand : choisir un emplacement, régler des horaires, dimensionner un service.",
        en="To know where people are, and when: to choose a site, set opening hours, size a service.",
    ),
    Words(
        fr="Comparer deux emplacements : additionnez « people » par zone sur la période, puis divisez. Un écart plus petit que "
        "l’erreur annoncée n’en est pas un.",
        en="Compare two sites: add up “people” by zone over the period, then divide. A difference smaller than the stated error "
        "is none.",
    ),
    Words(
        fr="Trouver l’heure ou le jour de pointe : additionnez par « starts_at » les zones qui vous intéressent et prenez le plus grand.",
        en="Find the busiest hour or day: add up the zones you care about by “starts_at”, and pick the largest.",
    ),
    Words(
        fr="Estimer tout le monde : multipliez par le facteur de l’onglet Qualité ; une ligne absente n’est pas zéro.",
        en="Estimate everybody: multiply by the factor under Quality; a row that is not there is not zero.",
    ),
)
FLOWS: Final = (
    Words(
        fr="Pour savoir d’où viennent les gens et où ils vont : lignes de transport, zone de chalandise, effet d’un chantier.",
        en="To know where people come from and go to: transport lines, catchment areas, the effect of roadworks.",
    ),
    Words(
        fr="D’où vient-on dans une zone : gardez les lignes dont « zone » finit par « >CODE », additionnez « people » par origine.",
        en="Where people of a zone come from: keep the rows whose “zone” ends with “>CODE”, add up “people” by origin.",
    ),
    Words(
        fr="Mesurer un axe : additionnez l’aller (A>B) et le retour (B>A), jour par jour.",
        en="Measure a link: add up there (A>B) and back (B>A), day by day.",
    ),
)
STAYS: Final = (
    Words(
        fr="Pour savoir combien de personnes passent la nuit, habitants ou visiteurs : tourisme, hôtels, services du soir.",
        en="To know how many people spend the night, residents or visitors: tourism, hotels, evening services.",
    ),
    Words(
        fr="Part des visiteurs : divisez, par zone, les lignes « visitor » par la somme de « visitor » et « resident ».",
        en="Share of visitors: by zone, divide the rows of “visitor” by the sum of “visitor” and “resident”.",
    ),
    Words(
        fr="Effet d’un événement : comparez ses nuits à celles du même jour de la semaine, avant et après.",
        en="Effect of an event: compare its nights with those of the same weekday before and after.",
    ),
)
EXAMPLES: Final = {"presence": PRESENCE, "flows": FLOWS, "stays": STAYS}
PROGRAMS: Final = (
    ("pandas", 'import pandas as pd\n\ncells = pd.read_csv("{address}")\nprint(cells.groupby("zone")["people"].sum())'),
    (
        "DuckDB",
        "import duckdb\n\nprint(duckdb.sql(\"SELECT zone, sum(people) FROM read_csv('{address}') GROUP BY zone\"))",
    ),
    ("R", 'cells <- read.csv("{address}")\naggregate(people ~ zone, cells, sum)'),
    ("curl", 'curl -s "{address}" | head'),
)


def examples_of(product: str) -> tuple[Words, ...]:
    """Return a product's use and its worked examples; those of presence for one that has none of its own."""
    return EXAMPLES.get(product, PRESENCE)


def programs_of(address: str) -> list[tuple[str, str]]:
    """Return programs by their name that read the free sample at an address."""
    return [(name, text.format(address=address)) for name, text in PROGRAMS]
