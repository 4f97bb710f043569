"""What calls of the API take and give; `python -m tests.api_client` writes it from the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class AuctionWithLots(TypedDict):
    """Auction with lots."""

    phase: str
    now: int
    closes_at: int
    extended: bool
    price_minor: int | None
    minimum_minor: int
    bids: int
    leader: str | None
    root: str | None
    log: list[LiveLine]
    id: str
    kind: str
    price_rule: str
    currency: str
    dataset: str
    reserve_minor: int
    unsecured_minor: int
    deposits_minor: list[int]
    licences: int
    opens_at: int
    steps: list[list[int]]
    window_seconds: int
    extension_seconds: int
    licence_terms: str
    months: int
    terms_sha256: str
    receipt_key: str
    lots: list[Lot]


class Auctions(TypedDict):
    """Auctions."""

    auctions: list[OfferedAuction]
    more: bool
    after: NotRequired[str | None]


class BankTransfer(TypedDict):
    """Bank transfer."""

    iban: str
    bic: str
    name: str
    reference: str
    remaining_minor: int
    url: str


class BidAnswer(TypedDict):
    """Bid answer."""

    bid: str
    accepted: bool
    answer: str
    detail: str
    position: int | None
    repeated: bool
    receipt: SignedReceipt


class BidRequest(TypedDict):
    """Bid request."""

    currency: str
    maximum_minor: NotRequired[int | None]
    amount_minor: NotRequired[int | None]
    packages: NotRequired[list[Package] | None]
    nonce: NotRequired[str | None]


class Bilingual(TypedDict):
    """Bilingual."""

    fr: str
    en: str


class ClaimOfOrder(TypedDict):
    """Claim of order."""

    id: str
    reason: str
    evidence: str
    filed_at: str
    outcome: str
    answer: str
    refund_minor: int | None
    ended_at: str | None


class ClaimRequest(TypedDict):
    """Claim request."""

    reason: Literal["not_as_described", "incomplete", "wrong_figures", "unreadable"]
    evidence: str


class Claims(TypedDict):
    """Claims."""

    claims: list[ClaimOfOrder]


class ColumnMeaning(TypedDict):
    """Column meaning."""

    name: str
    type: str
    unit: Bilingual
    meaning: Bilingual


class DatasetWithReleases(TypedDict):
    """Dataset with releases."""

    code: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    area: str
    zone_table: str | None
    h3_resolution: int
    grain: str
    time_zone: str
    simulated_week: SimulatedFiles
    terms: str
    months: int
    releases: list[OfferedRelease]
    page: int
    more: bool


class Datasets(TypedDict):
    """Datasets."""

    datasets: list[ListedDataset]
    page: int
    more: bool
    total: int
    facets: dict[str, Any]
    instead: dict[str, Any]


class DeletionConfirmation(TypedDict):
    """Deletion confirmation."""

    confirmed_at: str


class Density(TypedDict):
    """Density."""

    timedPopulationDensityData: list[TimedCells]
    status: str
    statusInfo: NotRequired[str | None]
    operationId: NotRequired[str | None]


class DensityEstimation(TypedDict):
    """Density estimation."""

    geohash: str
    maxPplDensity: int
    minPplDensity: int
    pplDensity: int
    dataType: Literal["DENSITY_ESTIMATION"]


class DensityRequest(TypedDict):
    """Density request."""

    area: Polygon | GeohashList
    startTime: str
    endTime: str
    precision: NotRequired[int | None]
    sink: NotRequired[str | None]
    sinkCredential: NotRequired[SinkCredential | None]


class Dictionary(TypedDict):
    """Dictionary."""

    dataset: str
    title: Bilingual
    release: str
    revision: int
    edition: int
    period_from: str
    period_to: str
    time_zone: str
    grain: str
    row_count: int
    cells_sha256: str
    threshold: int
    error_people: int
    absent_row: Bilingual
    columns: list[ColumnMeaning]
    licence: LicenceTerm


class Entitlement(TypedDict):
    """Entitlement."""

    id: str
    purchase_order: str
    number: str
    dataset: str
    release: str
    period_from: str
    period_to: str
    level: int
    row_count: int
    cells_sha256: str
    starts_at: str
    ends_at: str
    revoked_at: str | None
    recalled_at: str | None
    recalled_fr: str | None
    recalled_en: str | None


class Entitlements(TypedDict):
    """Entitlements."""

    page: int
    has_more: bool
    entitlements: list[Entitlement]
    after: NotRequired[str | None]


class Event(TypedDict):
    """Event."""

    id: int
    type: str
    timestamp: str
    data: dict[str, Any]


class Events(TypedDict):
    """Events."""

    events: list[Event]
    after: int


class GeohashList(TypedDict):
    """Geohash list."""

    geohashes: list[str]
    areaType: Literal["GEOHASHLIST"]


class Invoices(TypedDict):
    """Invoices."""

    invoices: list[PartnersDocument]
    has_more: bool
    after: str | None


class Level(TypedDict):
    """Level."""

    level: int
    variance_multiple: int
    noise_variance_micro: int
    threshold: int
    row_count: int
    error_people: int


class LicenceTerm(TypedDict):
    """Licence term."""

    order: str
    starts_at: str
    ends_at: str


class ListedDataset(TypedDict):
    """Listed dataset."""

    code: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    area: str
    zone_table: str | None
    h3_resolution: int
    grain: str
    time_zone: str
    release: str


class LiveLine(TypedDict):
    """Live line."""

    position: int
    bidder: str
    price_minor: int | None
    at: int
    covered_minor: int | None


class Lot(TypedDict):
    """Lot."""

    position: int
    release: str
    dataset: str


class LowDensity(TypedDict):
    """Low density."""

    geohash: str
    dataType: Literal["LOW_DENSITY"]


class Me(TypedDict):
    """Me."""

    partner: str
    company: str
    vetted: bool
    sandbox: bool


class NoData(TypedDict):
    """No data."""

    geohash: str
    dataType: Literal["NO_DATA"]


class OfferedAuction(TypedDict):
    """Offered auction."""

    phase: str
    now: int
    closes_at: int
    extended: bool
    price_minor: int | None
    minimum_minor: int
    bids: int
    leader: str | None
    root: str | None
    log: list[LiveLine]
    id: str
    kind: str
    price_rule: str
    currency: str
    dataset: str
    reserve_minor: int
    unsecured_minor: int
    deposits_minor: list[int]
    licences: int
    opens_at: int
    steps: list[list[int]]
    window_seconds: int
    extension_seconds: int


class OfferedRelease(TypedDict):
    """Offered release."""

    id: str
    dataset: str
    period_from: str
    period_to: str
    sealed_at: str
    epsilon_micro: int
    threshold: int
    key_count: int
    row_count: int
    suppressed_micro: int
    consenting: int
    population: int
    latest_event_at: str | None
    revision: int
    note_fr: str
    note_en: str
    schema_version: int
    method_version: int
    expansion_micro: int | None
    delta_exponent: int
    mean_error_micro: int
    error_people: int
    error_events: int
    r_indicator_micro: int | None
    revoked_at: str | None
    editions: list[Level]
    breaks: list[SeriesBreak]


class OrderAnswer(TypedDict):
    """Order answer."""

    id: str
    number: str
    lot: int
    lots: int
    quote: str
    release: str
    dataset: str
    period_from: str
    period_to: str
    state: Literal["awaiting_payment", "paid", "lapsed", "refunded", "charged_back"]
    terms: str
    net_minor: int
    vat_minor: int
    total_minor: int
    returned_minor: int
    currency: str
    vat_rule: str
    ordered_at: str
    paid_at: str | None
    entitlement: str | None
    payment_url: NotRequired[str | None]
    bank_transfer: NotRequired[BankTransfer | None]
    due_at: NotRequired[str | None]
    reference: NotRequired[str]
    ordered_by: NotRequired[str]
    approved_by: NotRequired[str]


class OrderRequest(TypedDict):
    """Order request."""

    quote: str
    terms: str
    pay_by: NotRequired[Literal["page", "saved_method", "bank_transfer", "invoice"]]
    reference: NotRequired[str]
    reason: NotRequired[str]


class Orders(TypedDict):
    """Orders."""

    page: int
    has_more: bool
    orders: list[OrderAnswer]
    after: NotRequired[str | None]


class OwnSpendingLimit(TypedDict):
    """Own spending limit."""

    order_minor: int
    month_minor: int
    approval_minor: int | None
    left_minor: int
    datasets: list[str]
    purposes: list[str]
    ends_at: str


class Package(TypedDict):
    """Package."""

    lots: list[int]
    amount_minor: int


class PartnersDocument(TypedDict):
    """Partners document."""

    id: str
    number: str
    kind: str
    purchase_order: str
    issued_at: str
    net_minor: int
    vat_minor: int
    total_minor: int
    corrects: str | None
    currency: str


class PaymentMethod(TypedDict):
    """Payment method."""

    kind: str
    brand: str | None
    last_four: str | None
    ends_on: str | None


class PaymentMethods(TypedDict):
    """Payment methods."""

    payment_methods: list[PaymentMethod]


class PaymentRequest(TypedDict):
    """Payment request."""

    pay_by: Literal["saved_method", "invoice"]


class PlaceInBatch(TypedDict):
    """Place in batch."""

    index: int
    size: int
    path: list[str]


class Point(TypedDict):
    """Point."""

    latitude: float
    longitude: float


class Polygon(TypedDict):
    """Polygon."""

    boundary: list[Point]
    areaType: Literal["POLYGON"]


class Preview(TypedDict):
    """Preview."""

    zones: int
    outside: int
    survives_percent: int
    left_today: int


class PreviewRequest(TypedDict):
    """Preview request."""

    release: str
    zones: str


class PrivacyCard(TypedDict):
    """Privacy card."""

    kind: str
    version: int
    url_slug: str
    deployment: dict[str, Any]
    figures: dict[str, Any]
    hazards: list[dict[str, Any]]


class QuoteRequest(TypedDict):
    """Quote request."""

    release: str
    level: NotRequired[int]
    for_thirty_days: NotRequired[bool]
    months: NotRequired[int]
    purpose: NotRequired[str]
    companies: NotRequired[list[str]]


class SeriesBreak(TypedDict):
    """Series break."""

    kind: str
    sentence_fr: str
    sentence_en: str


class SignedPrice(TypedDict):
    """Signed price."""

    id: str
    release: str
    level: int
    terms: str
    months: int
    amount_minor: int
    currency: str
    expires_at: str
    is_expired: bool
    is_ordered: bool
    auction: str | None
    transcript: str | None
    document: str
    signature: str
    public_key: str
    algorithm: str


class SignedReceipt(TypedDict):
    """Signed receipt."""

    document: dict[str, Any]
    canonical: str
    signature: str
    public_key: str
    algorithm: str
    batch: NotRequired[PlaceInBatch | None]


class SigningKey(TypedDict):
    """Signing key."""

    algorithm: str
    public_key: str
    now: str


class SimulatedFiles(TypedDict):
    """Simulated files."""

    csv: str
    parquet: str
    notice_en: str
    notice_fr: str


class SinkCredential(TypedDict):
    """Sink credential."""

    credentialType: str
    accessToken: NotRequired[str | None]
    accessTokenExpiresUtc: NotRequired[str | None]
    accessTokenType: NotRequired[str]


class StateRequest(TypedDict):
    """State request."""

    state: Literal["active", "paused", "ended"]


class SubscribedRelease(TypedDict):
    """Subscribed release."""

    release: str
    period_from: str
    period_to: str
    purchase_order: str | None
    state: str | None
    total_minor: int | None
    refused: str
    credit_minor: int | None
    days_late: int | None
    coverage_micro: int | None
    sold_coverage_micro: int | None


class Subscription(TypedDict):
    """Subscription."""

    id: str
    dataset: str
    cadence: str
    locked_minor: int
    currency: str
    releases: int
    ordered: int
    pay_by: str
    state: str
    began_at: str
    ended_at: str | None
    promised_days: int
    promised_coverage_micro: int
    terms: str
    usage_right: str
    months: int
    purposes: list[str]
    countries: list[str]


class SubscriptionAnswer(TypedDict):
    """Subscription answer."""

    subscription: Subscription
    releases: list[SubscribedRelease]


class SubscriptionRequest(TypedDict):
    """Subscription request."""

    dataset: str
    releases: Literal[4, 12, 26, 52]
    pay_by: NotRequired[Literal["saved_method", "invoice"]]


class Subscriptions(TypedDict):
    """Subscriptions."""

    subscriptions: list[Subscription]
    has_more: bool
    after: NotRequired[str | None]


class Terms(TypedDict):
    """Terms."""

    code: str
    lines_fr: str
    lines_en: str
    months: int
    usage_right: str


class TimedCells(TypedDict):
    """Timed cells."""

    startTime: str
    endTime: str
    cellPopulationDensityData: list[NoData | LowDensity | DensityEstimation]


class Trial(TypedDict):
    """Trial."""

    id: str
    dataset: str
    release: str
    period_from: str
    period_to: str
    row_count: int
    cells_sha256: str
    starts_at: str
    ends_at: str
    recalled_at: str | None
