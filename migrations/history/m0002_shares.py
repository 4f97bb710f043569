"""Migration 2: what shares by public denominators are computed from; licences divided before keep rule 1.

The version before writes rows of rule 1, which the loosened constraints accept as the old ones did.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:02"
VERSION = "1.38.0"
DESCRIPTION = "shares"
SQL = """
ALTER TABLE "release"
    ADD COLUMN "published_people" BIGINT NOT NULL DEFAULT 0,
    ADD CONSTRAINT "published_people_are_not_negative" CHECK (published_people >= 0) NOT VALID;
ALTER TABLE "release" VALIDATE CONSTRAINT "published_people_are_not_negative";

ALTER TABLE "licence_split"
    ADD COLUMN "rule" INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN "denominator" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "shares_micro" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "rounding_micro" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "licence_split"
    DROP CONSTRAINT "platform_helps_when_the_operators_part_is_spent",
    ADD CONSTRAINT "platform_helps_when_the_operators_part_is_spent" CHECK (
        top_up_platform_minor >= 0 AND (top_up_platform_minor = 0 OR top_up_operator_minor = operator_minor
        OR rule = 2 AND top_up_operator_minor = greatest(0, operator_minor + pool_minor + top_up_operator_minor
        + top_up_platform_minor - (shares_micro + rounding_micro) / 10000))
    ) NOT VALID;
ALTER TABLE "licence_split"
    DROP CONSTRAINT "only_promises_top_up",
    ADD CONSTRAINT "only_promises_top_up" CHECK (
        (top_up_operator_minor + top_up_platform_minor = 0 OR topped_up > 0)
        AND (topped_up = 0 OR top_up_operator_minor + top_up_platform_minor > 0 OR rule = 2)
        AND (topped_up = 0 OR cardinality(terms) > 0)
        AND least(topped_up, top_up_each_micro, top_up_position) >= 0
    ) NOT VALID;
ALTER TABLE "licence_split" ADD CONSTRAINT "known_rule" CHECK (rule IN (1, 2)) NOT VALID;
ALTER TABLE "licence_split" ADD CONSTRAINT "a_public_denominator_makes_rule_two" CHECK (
    (rule = 2) = (denominator > 0) AND (rule = 2 OR shares_micro + rounding_micro = 0)
) NOT VALID;
ALTER TABLE "licence_split" ADD CONSTRAINT "shares_and_rounding_are_whole_cents" CHECK (
    shares_micro >= 0 AND rounding_micro BETWEEN 0 AND 9999 AND (shares_micro + rounding_micro) % 10000 = 0
) NOT VALID;
ALTER TABLE "licence_split"
    VALIDATE CONSTRAINT "platform_helps_when_the_operators_part_is_spent",
    VALIDATE CONSTRAINT "only_promises_top_up",
    VALIDATE CONSTRAINT "known_rule",
    VALIDATE CONSTRAINT "a_public_denominator_makes_rule_two",
    VALIDATE CONSTRAINT "shares_and_rounding_are_whole_cents";

ALTER TABLE "former_split"
    ADD COLUMN "rule" INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN "denominator" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "shares_micro" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "rounding_micro" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "terms" UUID[] NOT NULL DEFAULT '{}';
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and constraints."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
