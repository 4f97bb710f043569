"""What must always be true of private releases and their promises: a sentence, and the SQL that names the offenders."""

from __future__ import annotations

from typing import Final

from marketplace.core.local_time import time_zones
from marketplace.core.statements import Invariant
from marketplace.privacy.product_registry import PRODUCTS


def _grains() -> tuple[list[str], list[str]]:
    """Return every product as often as it has grains, and those grains."""
    pairs = [(code, grain) for code, product in PRODUCTS.items() for grain in product.grains]
    return [code for code, _ in pairs], [grain for _, grain in pairs]


RELEASES: Final = (
    Invariant(
        "a dataset's product is one that the registry lists",
        "SELECT code AS dataset, product FROM dataset WHERE product <> ALL ($1::text[])",
        lambda: (list(PRODUCTS),),
    ),
    Invariant(
        "a dataset is counted by a grain of its product",
        """SELECT code AS dataset, product, grain FROM dataset
           WHERE (product, grain) NOT IN (SELECT * FROM unnest($1::text[], $2::text[]))""",
        _grains,
    ),
    Invariant(
        "only a dataset whose product adds up has totals, or thin cells added up over a parent",
        """SELECT code AS dataset, product, max_zones, parent_resolution FROM dataset
           WHERE (max_zones, parent_resolution) <> (0, 0) AND product <> ALL ($1::text[])""",
        lambda: ([code for code, product in PRODUCTS.items() if product.adds_up],),
    ),
    Invariant(
        "a dataset's time zone is one that there is",
        "SELECT code AS dataset, time_zone FROM dataset WHERE time_zone <> ALL ($1::text[])",
        lambda: (sorted(time_zones()),),
    ),
    Invariant(
        "a dataset has spent what its releases and those of its variants did",
        """SELECT dataset.code AS dataset, dataset.spent_micro, coalesce(sum(release.epsilon_micro), 0) AS releases_micro
           FROM dataset
           LEFT JOIN dataset AS built ON dataset.code IN (built.code, built.variant_of)
           LEFT JOIN release ON release.dataset = built.code
           GROUP BY dataset.code HAVING dataset.spent_micro <> coalesce(sum(release.epsilon_micro), 0)""",
    ),
    Invariant(
        "a sealed release has cells and the hashes of these and of its manifest, and nobody without a weight",
        """SELECT id AS release FROM release WHERE state = 'sealed'
           AND ((contributors = 0) <> (total_weight = 0) OR row_count = 0 OR cells_sha256 = '' OR manifest_sha256 = '')""",
    ),
    Invariant(
        "the cells of a sealed release's days are the published ones",
        """SELECT release, level FROM (
               SELECT id AS release, 0 AS level, row_count, hours_by_day, published_by_day, published_by_zone FROM release
               WHERE state = 'sealed'
               UNION ALL SELECT release, level, row_count, hours_by_day, published_by_day, published_by_zone FROM edition
           ) AS published (release, level, row_count, hours, days, zones)
           WHERE NOT days_add_up(row_count, hours, days, zones)""",
    ),
    Invariant(
        "a year of subscribers has lost what its releases are charged with",
        """SELECT privacy_year.year, privacy_year.rho_nano, sums.rho_nano AS charged_nano
           FROM privacy_year LEFT JOIN (
               SELECT year, sum(rho_nano) AS rho_nano, sum(epsilon_micro) FILTER (WHERE is_pure) AS pure_micro,
                      sum(rho_nano) FILTER (WHERE NOT is_pure) AS gaussian_rho_nano
               FROM privacy_spend GROUP BY year
           ) AS sums ON sums.year = privacy_year.year
           WHERE (privacy_year.rho_nano, privacy_year.gaussian_rho_nano, privacy_year.pure_micro) <>
                 (coalesce(sums.rho_nano, 0), coalesce(sums.gaussian_rho_nano, 0), coalesce(sums.pure_micro, 0))""",
    ),
    Invariant(
        "a release that the gate let pass has a dossier that says so, and a blocked one has one that does not",
        """SELECT release.id AS release, state FROM release JOIN dossier ON dossier.release = release.id
           WHERE passed = (state = 'blocked') OR state NOT IN ('assessed', 'sealed', 'blocked', 'lapsed')
           UNION ALL
           SELECT id, state FROM release WHERE state IN ('assessed', 'blocked')
           AND NOT EXISTS (SELECT FROM dossier WHERE dossier.release = release.id)""",
    ),
    Invariant(
        "only sealed releases have editions or are called back, and each level is coarser than the one before",
        """SELECT release.id AS release, state FROM release WHERE state <> 'sealed'
           AND (EXISTS (SELECT FROM edition WHERE edition.release = release.id)
                OR EXISTS (SELECT FROM revocation WHERE revocation.release = release.id))
           UNION ALL
           SELECT finer.release, 'sealed' FROM edition AS finer JOIN edition AS coarser
               ON coarser.release = finer.release AND coarser.level = finer.level + 1
           WHERE coarser.noise_variance_micro <= finer.noise_variance_micro OR coarser.row_count > finer.row_count""",
    ),
    Invariant(
        "what a term promises in all covers its promises, each to a line that there is",
        """SELECT contributor_term.id AS term, promised_minor, sum(minimum_micro) AS promises_micro
           FROM contributor_term JOIN contributor_promise ON contributor_promise.term = contributor_term.id
           LEFT JOIN subscriber ON subscriber.reference = contributor_promise.subscriber
           GROUP BY contributor_term.id
           HAVING sum(minimum_micro) > promised_minor * 10000::numeric OR count(*) <> count(subscriber.reference)""",
    ),
)
