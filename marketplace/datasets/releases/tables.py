"""Columns and constraints of datasets and their sealed releases. Raw events never enter the database."""

from __future__ import annotations

from typing import Any

from piccolo.columns import (
    UUID,
    Array,
    BigInt,
    BigSerial,
    Boolean,
    Bytea,
    ForeignKey,
    Integer,
    OnDelete,
    Text,
    Timestamptz,
)
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.consent.purposes.tables import Notice, Purpose
from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.datasets.geography.tables import ZoneTable
from marketplace.privacy.product_registry import DEFAULT_PRODUCT


class Dataset(Table, db=DB, tablename="dataset"):
    """What is counted and under which privacy promise; its budget is spent before the data is looked at."""

    personal_data = NOBODYS
    code = Text(primary_key=True)
    purpose = ForeignKey(Purpose, null=False, on_delete=OnDelete.restrict, target_column="code")
    title_fr = Text()
    title_en = Text()
    description_fr = Text()
    description_en = Text()
    area = Text()
    """Its name, in words common to both languages, such as `New York`."""
    zone_table = ForeignKey(ZoneTable, null=True, default=None, on_delete=OnDelete.restrict, target_column="code")
    """The operator's own zones, if it is counted by them; otherwise H3's cells."""
    zones = Array(base_column=Text(), default=list)
    """The area, declared: zones of the dataset's resolution or coarser, which include all zones in them. With the age
    bands and a period's times it makes the public key set, which no person's data can change."""
    age_bands = Array(base_column=Text(), default=list)
    """The segments, declared, in the order of display."""
    h3_resolution = Integer()
    """H3's resolution, or the level of the operator's own zones: 1 for those without a parent, 2 for those in one."""
    grain = Text()
    """hour, day or week."""
    max_cells = Integer()
    """L: the most cells one subscriber counts in, per unit."""
    max_events = Integer()
    """M: the most events one subscriber adds to one cell."""
    unit = Text(default="release")
    """What the promise covers: one subscriber in one release, or one subscriber's day."""
    mechanism = Text(default="laplace")
    """laplace (a pure epsilon) or gaussian (epsilon at delta)."""
    delta_exponent = Integer(default=0)
    """Delta is ten to the minus this; 0 for a pure epsilon."""
    max_zones = Integer(default=0)
    """C: zones one subscriber counts in within the totals that correct truncation; 0: no totals are paid for."""
    parent_resolution = Integer(default=0)
    """Withheld cells are added up over their parents of this resolution; 0: they stay withheld."""
    product = Text(default=DEFAULT_PRODUCT)
    """Code of one of the registry's products. An invariant checks that it is, and that grain and totals fit it."""
    edition_multiples = Array(base_column=Integer(), default=list)
    """Coarser accuracy levels: their noise variance as multiples of the release's own, rising."""
    epsilon_micro = BigInt()
    """Spent by one release on one unit, in millionths."""
    budget_micro = BigInt()
    spent_micro = BigInt(default=0)
    time_zone = Text(default="UTC")
    """The IANA name of the zones' one time zone, for hours, days, nights and periods."""
    cadence = Text(default="")
    """day, week or month: when the next release is built automatically; empty: when a steward requests it."""
    sectors = Array(base_column=Text(), default=list)
    """Sectors of buyers to which it may be sold, declared before any consent is read; empty: all of them."""
    variant_of: ForeignKey[Any] = ForeignKey(
        "self", null=True, default=None, on_delete=OnDelete.restrict, target_column="code"
    )
    """The dataset of which this one is a variant for other sectors; its spend also counts against that one's budget."""
    created_at = Timestamptz()
    code_is_a_slug = Check("code ~ '^[a-z0-9][a-z0-9-]{1,62}$'")
    known_grain = Check("grain IN ('hour', 'day', 'week')")
    h3_has_sixteen_resolutions = Check("h3_resolution BETWEEN 0 AND 15")
    bounds_are_positive = Check("max_cells > 0 AND max_events > 0")
    epsilon_is_positive = Check("epsilon_micro > 0")
    known_cadence = Check("cadence IN ('', 'day', 'week', 'month')")
    never_overspends = Check("spent_micro BETWEEN 0 AND budget_micro")
    known_unit = Check("unit IN ('release', 'day')")
    known_mechanism = Check("mechanism IN ('laplace', 'gaussian')")
    delta_is_the_gaussians = Check(
        "(mechanism = 'gaussian' AND delta_exponent BETWEEN 5 AND 15) OR (mechanism = 'laplace' AND delta_exponent = 0)"
    )
    totals_count_some_zones = Check("max_zones BETWEEN 0 AND 100")
    parents_are_coarser = Check("parent_resolution BETWEEN 0 AND h3_resolution - 1 OR parent_resolution = 0")
    editions_are_coarser = Check("1 < ALL (edition_multiples)")


class Release(Table, db=DB, tablename="release"):
    """A sealed, immutable set of noisy cells over one period; the only thing that leaves."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    period_from = Timestamptz()
    period_to = Timestamptz()
    """The period is half-open."""
    specification = Text()
    """SHA-256 of everything that determines the answer apart from the data."""
    state = Text(default="spent")
    """spent (budget committed) → noised (cells stored privately) → assessed (passed the gate) → sealed; or → refused
    (nothing to sell), → blocked (failed the gate), or → lapsed (not published while its consents lasted)."""
    revision = Integer(default=1)
    """How often this period was requested, from 1."""
    note_fr = Text(default="")
    note_en = Text(default="")
    """What changed since the previous revision."""
    schema_version = Integer(default=1)
    """Version of the published file's columns."""
    method_version = Integer(default=1)
    """Version of counting, noise and finishing: a difference between two versions can come from the method alone."""
    expansion_micro = BigInt(null=True, default=None)
    """The factor from a count to all lines of the area, in millionths; null if nobody consents."""
    started_at = Timestamptz()
    last_consent_record = BigInt(default=0)
    """The last record on consent before consents were read; a later withdrawal keeps the build from being published."""
    sealed_at = Timestamptz(null=True, default=None)
    sealed_by = Text(default="")
    """The person who published it; empty: the build itself."""
    epsilon_micro = BigInt()
    delta_exponent = Integer(default=0)
    rho_nano = BigInt(default=0)
    """Concentrated loss of one unit, in thousand-millionths, rounded up; years are composed of these."""
    sampler = Text(default="")
    """The engine that drew the noise: opendp or table."""
    threshold = Integer(default=0)
    """Cells with fewer noisy people than this are withheld."""
    noise_variance_micro = BigInt(default=0)
    """Variance of a published count of people, in millionths."""
    mean_error_micro = BigInt(default=0)
    """How far noise moves a count of people on average, in millionths."""
    error_people = BigInt(default=0)
    error_events = BigInt(default=0)
    """At most 5 % of all published counts are further than this from what was counted."""
    total_error_micro = BigInt(default=0)
    """Error bound of the totals that correct truncation, as a share of each count, in millionths."""
    r_indicator_micro = BigInt(null=True, default=None)
    """How similarly age bands consent: a million if all consent equally."""
    key_count = BigInt(default=0)
    """Possible cells: zones × times × segments of the public key set."""
    row_count = BigInt(default=0)
    """Cells published."""
    hours_by_day = Array(base_column=BigInt(), default=list)
    """Length of each day, or longer step, of the period; it and the two below are empty until the release is
    assessed."""
    published_by_day = Array(base_column=BigInt(), default=list)
    published_by_zone = Array(base_column=BigInt(), default=list)
    published_by_figure = Bytea(default=b"")
    """Zones × days."""
    published_people = BigInt(default=0)
    """People of all published cells as drawn, before correction for truncation; the divisor of a licence's pool."""
    suppressed_micro = BigInt(default=0)
    """Share of the key set withheld, in millionths."""
    consenting = BigInt(default=0)
    """Subscribers of the area whose consent was in force at the build: counted in the registry, noised, paid from epsilon."""
    population = BigInt(default=0)
    """Subscribers of the area in the operator's table, a constant of its registry."""
    median_cell_people = BigInt(default=0)
    """n of pricing: people in the median published cell."""
    median_cell_population = BigInt(default=0)
    """N of pricing: the same people if everyone consented."""
    latest_event_at = Timestamptz(null=True, default=None)
    """End of the last period with a published cell, never a person's instant."""
    contributors = BigInt(default=0)
    """Rows of the manifest; private, used by shares only."""
    total_weight = BigInt(default=0)
    cells_sha256 = Text(default="")
    manifest_sha256 = Text(default="")
    inputs = Text(default="")
    """JSON: versions of the days and tables it was counted from, and of their files; empty until it is counted."""
    refusal = Text(null=True, default=None)
    one_release_a_period = Unique([dataset, period_from, period_to, specification])
    period_is_not_empty = Check("period_from < period_to")
    known_state = Check("state IN ('spent', 'noised', 'assessed', 'sealed', 'refused', 'blocked', 'lapsed')")
    sealed_says_who_drew = Check("sealed_at IS NULL OR sampler IN ('opendp', 'table')")
    sealed_at_an_instant = Check("(state = 'sealed') = (sealed_at IS NOT NULL)")
    published_people_are_not_negative = Check("published_people >= 0")


class ReleaseNotice(Table, db=DB, tablename="release_notice"):
    """The notice versions in force when a release was begun."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    notice = ForeignKey(Notice, null=False, on_delete=OnDelete.restrict)
    named_once = Unique([release, notice])


class PrivacyYear(Table, db=DB, tablename="privacy_year"):
    """What all datasets together cost one subscriber in a calendar year, in each dataset's own time zone.

    Composed, at delta = 10^-9.
    """

    personal_data = NOBODYS
    year = Integer(primary_key=True)
    rho_nano = BigInt(default=0)
    """The sum of every release's concentrated loss."""
    gaussian_rho_nano = BigInt(default=0)
    """The part of it from releases with Gaussian noise."""
    pure_micro = BigInt(default=0)
    """The plain sum of the other releases' epsilons, in millionths."""
    spent_micro = BigInt(default=0)
    """Epsilon of the whole, the smaller of the two compositions."""
    budget_micro = BigInt()
    never_overspends = Check("spent_micro BETWEEN 0 AND budget_micro")


class PrivacySpend(Table, db=DB, tablename="privacy_spend"):
    """The cost of one release, or of one call for contributors, to one subscriber of one year; never changed."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    release = ForeignKey(Release, null=True, default=None, on_delete=OnDelete.restrict)
    call = UUID(null=True, default=None, unique=True)
    """The call whose published counts cost it, written by its announcement."""
    called_at = Timestamptz(null=True, default=None)
    """When the call closes and its counts are drawn."""
    year = ForeignKey(PrivacyYear, null=False, on_delete=OnDelete.restrict, target_column="year")
    units = Integer()
    """Days of the year in the period, or 1 if the unit is the release."""
    rho_nano = BigInt()
    epsilon_micro = BigInt()
    is_pure = Boolean()
    once_a_year = Unique([release, year])
    of_one_thing = Check("(release IS NULL) = (call IS NOT NULL) AND (call IS NULL) = (called_at IS NULL)")
    costs_something = Check("units > 0 AND rho_nano > 0 AND epsilon_micro > 0")


class Coverage(Table, db=DB, tablename="coverage"):
    """How many of a release's area or age band consented, noised and paid for; the population is the registry's."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    kind = Text()
    """area or band."""
    name = Text()
    population = BigInt()
    consenting = BigInt()
    published_once = Unique([release, kind, name])
    known_kind = Check("kind IN ('area', 'band')")
    consents_of_the_population = Check("consenting BETWEEN 0 AND population")


class Dossier(Table, db=DB, tablename="dossier"):
    """The release gate's findings, signed: singling out, linkability, inference. Written once, before publication."""

    personal_data = NOBODYS
    release = ForeignKey(Release, primary_key=True, null=False, on_delete=OnDelete.restrict)
    document = Bytea()
    """Canonical JSON."""
    signature = Bytea()
    """Ed25519, of the document."""
    passed = Boolean()
    reasons = Array(base_column=Text(), default=list)
    """Why it did not pass, a sentence each."""
    assessed_at = Timestamptz()
    fails_for_a_reason = Check("passed = (cardinality(reasons) = 0)")


class Edition(Table, db=DB, tablename="edition"):
    """A coarser accuracy level of a release, made from the published cells of the finer one plus noise."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    level = Integer()
    """From 1, coarser as it rises; the release itself is level 0."""
    variance_multiple = Integer()
    """The noise variance of counts of people, as a multiple of the release's own."""
    noise_variance_micro = BigInt()
    threshold = Integer()
    row_count = BigInt()
    hours_by_day = Array(base_column=BigInt(), default=list)
    published_by_day = Array(base_column=BigInt(), default=list)
    published_by_zone = Array(base_column=BigInt(), default=list)
    published_by_figure = Bytea(default=b"")
    error_people = BigInt()
    cells_sha256 = Text()
    one_a_level = Unique([release, level])
    is_coarser = Check("level > 0 AND variance_multiple > 1 AND noise_variance_micro > 0")


class Revocation(Table, db=DB, tablename="revocation"):
    """A sealed release called back. The release stays as it is; nobody may buy or fetch it any more."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    release = ForeignKey(Release, primary_key=True, null=False, on_delete=OnDelete.restrict)
    reason_fr = Text()
    reason_en = Text()
    revoked_by = Text()
    revoked_at = Timestamptz()
    says_why = Check("reason_fr <> '' AND reason_en <> ''")


class ContributorTerm(Table, db=DB, tablename="contributor_term"):
    """A promise to contributors of this dataset for each licence priced in the interval, written by an award."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    promised_minor = BigInt()
    """The most that all its promises can cost one licence; the least charge of an order covers it."""
    starts_at = Timestamptz()
    ends_at = Timestamptz()
    interval_is_not_empty = Check("starts_at < ends_at")
    promise_is_not_negative = Check("promised_minor >= 0")


class ContributorPromise(Table, db=DB, tablename="contributor_promise"):
    """The least a subscriber earns from each licence of a release they are in, priced within a term; append-only.

    subscriber is a key into `subscriber` and term one into terms. Both are checked when promises are written, by
    millions, in one statement.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,),
        FOR_GOOD,
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="subscriber = me.line AND term IN (SELECT id FROM contributor_term WHERE ends_at > me.since)",
    )
    id = BigSerial(primary_key=True)
    term = UUID(default=None)
    subscriber = BigInt()
    minimum_micro = BigInt()
    one_promise_a_term = Unique([term, subscriber])
    promises_something = Check("minimum_micro > 0")


class BuildRequest(Table, db=DB, tablename="build_request"):
    """A build requested by a steward or by the dataset's cadence, and its progress."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    period_from = Timestamptz()
    period_to = Timestamptz()
    """The period is half-open."""
    revision = Integer(default=1)
    note_fr = Text(default="")
    note_en = Text(default="")
    """What changed since the last release, in the steward's words."""
    publish = Boolean(default=False)
    """Whether it is published once it passes the gate; otherwise it waits for a person."""
    asked_by = Text()
    """A steward's name, or `cadence`."""
    asked_at = Timestamptz()
    started_at = Timestamptz(null=True, default=None)
    step = Text(default="")
    share_micro = Integer(default=0)
    """Share done, in millionths."""
    ended_at = Timestamptz(null=True, default=None)
    release = ForeignKey(Release, null=True, default=None, on_delete=OnDelete.restrict)
    refusal = Text(null=True, default=None)
    """JSON: the sentence that refused the build, and its fields."""
    period_is_not_empty = Check("period_from < period_to")
    ends_with_an_answer = Check("(ended_at IS NOT NULL) = (release IS NOT NULL OR refusal IS NOT NULL)")
    revisions_count_from_one = Check("revision > 0")
    share_is_a_share = Check("share_micro BETWEEN 0 AND 1000000")


class DatasetChange(Table, db=DB, tablename="dataset_change"):
    """A change of a dataset's offer, releases or prices, for those who follow datasets, who delete it."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
