"""Columns and constraints of datasets and their sealed releases. Raw events never enter the database."""

from __future__ import annotations

from piccolo.columns import UUID, Array, BigInt, BigSerial, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.consent.tables import Notice, Purpose
from marketplace.database import DB


class Dataset(Table, db=DB, tablename="dataset"):
    """What is counted and under which privacy promise; its budget is spent before the data is looked at."""

    code = Text(primary_key=True)
    purpose = ForeignKey(Purpose, null=False, on_delete=OnDelete.restrict, target_column="code")
    title_fr = Text()
    title_en = Text()
    description_fr = Text()
    description_en = Text()
    area = Text()
    """Where, in words both languages share, such as `New York`."""
    zones = Array(base_column=Text())
    """The area, declared: H3 cells of the dataset's resolution or coarser, which stand for all they hold. With the age
    bands and a period's times it makes the public key set, which no person's data can change."""
    age_bands = Array(base_column=Text())
    """The segments, declared, in the order they are shown."""
    h3_resolution = Integer()
    grain = Text()
    """hour or day."""
    max_cells = Integer()
    """L: the most cells one subscriber counts in, per release."""
    max_events = Integer()
    """M: the most events one subscriber adds to one cell."""
    epsilon_micro = BigInt()
    """Spent by one release, in millionths; the unit is subscriber-release."""
    budget_micro = BigInt()
    spent_micro = BigInt(default=0)
    half_life_days = Integer()
    created_at = Timestamptz()
    code_is_a_slug = Check("code ~ '^[a-z0-9][a-z0-9-]{1,62}$'")
    known_grain = Check("grain IN ('hour', 'day')")
    h3_has_sixteen_resolutions = Check("h3_resolution BETWEEN 0 AND 15")
    bounds_are_positive = Check("max_cells > 0 AND max_events > 0 AND half_life_days > 0")
    epsilon_is_positive = Check("epsilon_micro > 0")
    never_overspends = Check("spent_micro BETWEEN 0 AND budget_micro")


class Release(Table, db=DB, tablename="release"):
    """A sealed, immutable set of noisy cells over one period; the only thing that leaves."""

    id = UUID(primary_key=True)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    period_from = Timestamptz()
    period_to = Timestamptz()
    """The period is half-open."""
    specification = Text()
    """SHA-256 of everything that decides the answer besides the data."""
    state = Text(default="spent")
    """spent (budget committed) → noised (cells kept privately) → sealed; or → refused (nothing to sell)."""
    started_at = Timestamptz()
    sealed_at = Timestamptz(null=True, default=None)
    epsilon_micro = BigInt()
    threshold = Integer(default=0)
    """Cells with fewer noisy people than this are withheld."""
    noise_variance_micro = BigInt(default=0)
    """Variance of a published count of people, in millionths."""
    key_count = BigInt(default=0)
    """Cells there could be: zones × times × segments of the public key set."""
    row_count = BigInt(default=0)
    """Cells published."""
    suppressed_micro = BigInt(default=0)
    """Share of the key set withheld, in millionths."""
    consenting = BigInt(default=0)
    """Subscribers of the area whose consent stood at the build: counted in the registry, noised, paid from epsilon."""
    population = BigInt(default=0)
    """Subscribers of the area in the operator's table, a constant of its registry."""
    median_cell_people = BigInt(default=0)
    """n of pricing: people in the median published cell."""
    median_cell_population = BigInt(default=0)
    """N of pricing: what those people would be, were everyone consenting."""
    latest_event_at = Timestamptz(null=True, default=None)
    """End of the last period with a published cell, never a person's instant."""
    contributors = BigInt(default=0)
    """Rows of the manifest; private, used by shares only."""
    total_weight = BigInt(default=0)
    cells_sha256 = Text(default="")
    manifest_sha256 = Text(default="")
    refusal = Text(null=True, default=None)
    one_release_a_period = Unique([dataset, period_from, period_to, specification])
    period_is_not_empty = Check("period_from < period_to")
    known_state = Check("state IN ('spent', 'noised', 'sealed', 'refused')")
    sealed_at_an_instant = Check("(state = 'sealed') = (sealed_at IS NOT NULL)")


class ReleaseNotice(Table, db=DB, tablename="release_notice"):
    """The notice versions under which a release's consents were given."""

    id = UUID(primary_key=True)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    notice = ForeignKey(Notice, null=False, on_delete=OnDelete.restrict)
    named_once = Unique([release, notice])


class ContributorTerm(Table, db=DB, tablename="contributor_term"):
    """What contributors of this dataset were promised of each licence priced in between, written down here by an award."""

    id = UUID(primary_key=True)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    promised_minor = BigInt()
    """The most that all its promises can cost one licence: the quote's floor covers it."""
    starts_at = Timestamptz()
    ends_at = Timestamptz()
    interval_is_not_empty = Check("starts_at < ends_at")
    promise_is_not_negative = Check("promised_minor >= 0")


class ContributorPromise(Table, db=DB, tablename="contributor_promise"):
    """The least a subscriber earns of each licence priced within a term whose release they are in; append-only.

    subscriber is a key into `subscriber`, checked where promises are written: by millions, in one statement.
    """

    id = BigSerial(primary_key=True)
    term = ForeignKey(ContributorTerm, null=False, on_delete=OnDelete.restrict)
    subscriber = BigInt()
    minimum_micro = BigInt()
    one_promise_a_term = Unique([term, subscriber])
    promises_something = Check("minimum_micro > 0")
