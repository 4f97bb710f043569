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

from marketplace.consent.tables import Notice, Purpose
from marketplace.database import DB
from marketplace.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.zones.tables import ZoneTable


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
    """Where, in words both languages share, such as `New York`."""
    zone_table = ForeignKey(ZoneTable, null=True, default=None, on_delete=OnDelete.restrict, target_column="code")
    """The operator's own zones, where they are counted by; otherwise H3's cells are."""
    zones = Array(base_column=Text(), default=list)
    """The area, declared: zones of the dataset's resolution or coarser, which stand for all they hold. With the age
    bands and a period's times it makes the public key set, which no person's data can change."""
    age_bands = Array(base_column=Text(), default=list)
    """The segments, declared, in the order they are shown."""
    h3_resolution = Integer()
    """H3's resolution; of the operator's own zones their level: 1 for those without a parent, 2 for those in one."""
    grain = Text()
    """hour, day or week."""
    max_cells = Integer()
    """L: the most cells one subscriber counts in, per unit."""
    max_events = Integer()
    """M: the most events one subscriber adds to one cell."""
    unit = Text(default="release")
    """What the promise covers whole: one subscriber in one release, or one subscriber's day."""
    mechanism = Text(default="laplace")
    """laplace (a pure epsilon) or gaussian (epsilon at delta)."""
    delta_exponent = Integer(default=0)
    """Delta is ten to the minus this; 0 for a pure epsilon."""
    max_zones = Integer(default=0)
    """C: zones one subscriber counts in within the totals that undo truncation; 0: no totals are paid for."""
    parent_resolution = Integer(default=0)
    """Withheld cells are added up over their parents of this resolution; 0: they are withheld."""
    product = Text(default="presence")
    """Code of one of the registry's products; that it is, and that grain and totals fit it, is swept as an invariant."""
    edition_multiples = Array(base_column=Integer(), default=list)
    """Coarser accuracy levels: their noise variance as multiples of the release's own, rising."""
    epsilon_micro = BigInt()
    """Spent by one release on one unit, in millionths."""
    budget_micro = BigInt()
    spent_micro = BigInt(default=0)
    half_life_days = Integer()
    time_zone = Text(default="UTC")
    """The IANA's name of the zones' time zone, one for all of them: whose hours, days, nights and periods are counted."""
    cadence = Text(default="")
    """day, week or month: when the next release is built by itself; empty: when a steward asks."""
    sectors = Array(base_column=Text(), default=list)
    """Of buyers, those it may be sold to, declared before any consent is read; none: all of them."""
    variant_of: ForeignKey[Any] = ForeignKey(
        "self", null=True, default=None, on_delete=OnDelete.restrict, target_column="code"
    )
    """The dataset of which this one is the same for other sectors: what it spends is spent from that one's budget too."""
    created_at = Timestamptz()
    code_is_a_slug = Check("code ~ '^[a-z0-9][a-z0-9-]{1,62}$'")
    known_grain = Check("grain IN ('hour', 'day', 'week')")
    h3_has_sixteen_resolutions = Check("h3_resolution BETWEEN 0 AND 15")
    bounds_are_positive = Check("max_cells > 0 AND max_events > 0 AND half_life_days > 0")
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
    """SHA-256 of everything that decides the answer besides the data."""
    state = Text(default="spent")
    """spent (budget committed) → noised (cells kept privately) → assessed (the gate let it pass) → sealed; or → refused
    (nothing to sell), or → blocked (the gate did not)."""
    revision = Integer(default=1)
    """How often this period was asked for, from 1."""
    note_fr = Text(default="")
    note_en = Text(default="")
    """What changed since the revision before."""
    schema_version = Integer(default=1)
    """Of the published file's columns."""
    method_version = Integer(default=1)
    """Of counting, noise and finishing: a step between two of them can come from the method alone."""
    expansion_micro = BigInt(null=True, default=None)
    """What a count is multiplied by to speak for all lines of the area, in millionths; null where nobody consents."""
    started_at = Timestamptz()
    sealed_at = Timestamptz(null=True, default=None)
    sealed_by = Text(default="")
    """Who published it; empty: the build itself."""
    epsilon_micro = BigInt()
    delta_exponent = Integer(default=0)
    rho_nano = BigInt(default=0)
    """Concentrated loss of one unit, in thousand-millionths, rounded up: what years are composed of."""
    sampler = Text(default="")
    """Who drew the noise: opendp or table."""
    threshold = Integer(default=0)
    """Cells with fewer noisy people than this are withheld."""
    noise_variance_micro = BigInt(default=0)
    """Variance of a published count of people, in millionths."""
    mean_error_micro = BigInt(default=0)
    """How far noise moves a count of people on average, in millionths."""
    error_people = BigInt(default=0)
    error_events = BigInt(default=0)
    """Of all published counts, those further than this from what was counted are 5 % at most."""
    total_error_micro = BigInt(default=0)
    """What the totals that undo truncation may be off by, as a share of each count, in millionths."""
    r_indicator_micro = BigInt(null=True, default=None)
    """How alike age bands consent: a million when all do alike."""
    key_count = BigInt(default=0)
    """Cells there could be: zones × times × segments of the public key set."""
    row_count = BigInt(default=0)
    """Cells published."""
    hours_by_day = Array(base_column=BigInt(), default=list)
    """How long each day, or longer step, of the period is; it and the two below are empty where no build stated them."""
    published_by_day = Array(base_column=BigInt(), default=list)
    published_by_zone = Array(base_column=BigInt(), default=list)
    """Zones × days."""
    published_people = BigInt(default=0)
    """People of all published cells as drawn, before truncation is undone: what a licence's pool is divided by; 0 where
    no build has stated it yet."""
    suppressed_micro = BigInt(default=0)
    """Share of the key set withheld, in millionths."""
    consenting = BigInt(default=0)
    """Subscribers of the area whose consent was in force at the build: counted in the registry, noised, paid from epsilon."""
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
    inputs = Text(default="")
    """JSON: which version of which days and tables it was counted from, and of which files; empty before that was kept."""
    refusal = Text(null=True, default=None)
    one_release_a_period = Unique([dataset, period_from, period_to, specification])
    period_is_not_empty = Check("period_from < period_to")
    known_state = Check("state IN ('spent', 'noised', 'assessed', 'sealed', 'refused', 'blocked')")
    sealed_at_an_instant = Check("(state = 'sealed') = (sealed_at IS NOT NULL)")
    published_people_are_not_negative = Check("published_people >= 0")


class ReleaseNotice(Table, db=DB, tablename="release_notice"):
    """The notice versions in force when a release was begun; of earlier releases, those its consents were given under."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    notice = ForeignKey(Notice, null=False, on_delete=OnDelete.restrict)
    named_once = Unique([release, notice])


class PrivacyYear(Table, db=DB, tablename="privacy_year"):
    """What all datasets together cost one subscriber in a calendar year, each dataset's of its own time zone.

    Composed, at delta = 10^-9.
    """

    personal_data = NOBODYS
    year = Integer(primary_key=True)
    rho_nano = BigInt(default=0)
    """The sum of every release's concentrated loss."""
    gaussian_rho_nano = BigInt(default=0)
    """Of which releases with Gaussian noise."""
    pure_micro = BigInt(default=0)
    """The plain sum of the others' epsilons, in millionths."""
    spent_micro = BigInt(default=0)
    """Epsilon of the whole, the smaller of the two ways to compose it."""
    budget_micro = BigInt()
    never_overspends = Check("spent_micro BETWEEN 0 AND budget_micro")


class PrivacySpend(Table, db=DB, tablename="privacy_spend"):
    """What one release costs one subscriber of one year; written with the release, never changed."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    year = ForeignKey(PrivacyYear, null=False, on_delete=OnDelete.restrict, target_column="year")
    units = Integer()
    """Days of the year in the period, or 1 where the unit is the release."""
    rho_nano = BigInt()
    epsilon_micro = BigInt()
    is_pure = Boolean()
    once_a_year = Unique([release, year])
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
    """A coarser accuracy level of a release, made from what the finer one publishes plus noise."""

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
    error_people = BigInt()
    cells_sha256 = Text()
    one_a_level = Unique([release, level])
    is_coarser = Check("level > 0 AND variance_multiple > 1 AND noise_variance_micro > 0")


class Revocation(Table, db=DB, tablename="revocation"):
    """A sealed release called back; the release stays as it is, nobody may buy or fetch it any more."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    release = ForeignKey(Release, primary_key=True, null=False, on_delete=OnDelete.restrict)
    reason_fr = Text()
    reason_en = Text()
    revoked_by = Text()
    revoked_at = Timestamptz()
    says_why = Check("reason_fr <> '' AND reason_en <> ''")


class ContributorTerm(Table, db=DB, tablename="contributor_term"):
    """What contributors of this dataset were promised of each licence priced in between, written down here by an award."""

    personal_data = NOBODYS
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

    subscriber is a key into `subscriber` and term one into terms, both checked where promises are written: by millions, in
    one statement.
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
    """A build asked for by a steward or by the dataset's cadence, and how far it is."""

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
    """Whether it is published once the gate lets it pass; otherwise it waits for a person."""
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
    """A dataset's offer or releases changed: written by triggers, deleted once those who follow datasets looked again."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
