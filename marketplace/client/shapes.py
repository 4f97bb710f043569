"""What calls of the API take and give; `python -m tests.api_client` writes it from the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class BankTransfer(TypedDict):
    """Bank transfer."""

    iban: str
    bic: str
    name: str
    reference: str
    remaining_minor: int
    url: str


class BidRequest(TypedDict):
    """Bid request."""

    currency: str
    maximum_minor: NotRequired[int | None]
    amount_minor: NotRequired[int | None]
    packages: NotRequired[list[Package] | None]
    nonce: NotRequired[str | None]


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
    unit: Words
    meaning: Words


class Confirmed(TypedDict):
    """Confirmed."""

    confirmed_at: str


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
    title: Words
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
    absent_row: Words
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


class LicenceTerm(TypedDict):
    """Licence term."""

    order: str
    starts_at: str
    ends_at: str


class Me(TypedDict):
    """Me."""

    partner: str
    company: str
    vetted: bool
    sandbox: bool


class OrderAnswer(TypedDict):
    """Order answer."""

    id: str
    number: str
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


class OrderRequest(TypedDict):
    """Order request."""

    quote: str
    terms: str
    pay_by: NotRequired[Literal["page", "saved_method", "bank_transfer"]]
    reference: NotRequired[str]
    reason: NotRequired[str]


class Orders(TypedDict):
    """Orders."""

    page: int
    has_more: bool
    orders: list[OrderAnswer]
    after: NotRequired[str | None]


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


class Point(TypedDict):
    """Point."""

    latitude: float
    longitude: float


class Polygon(TypedDict):
    """Polygon."""

    boundary: list[Point]
    areaType: Literal["POLYGON"]


class PreviewRequest(TypedDict):
    """Preview request."""

    release: str
    zones: str


class QuoteRequest(TypedDict):
    """Quote request."""

    release: str
    level: NotRequired[int]
    for_thirty_days: NotRequired[bool]
    purpose: NotRequired[str]


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


class Subscription(TypedDict):
    """Subscription."""

    id: str
    dataset: str
    cadence: str
    locked_minor: int
    currency: str
    releases: int
    ordered: int
    state: str
    began_at: str
    ended_at: str | None
    promised_days: int | None
    promised_coverage_micro: int | None


class SubscriptionAnswer(TypedDict):
    """Subscription answer."""

    subscription: Subscription
    releases: list[SubscribedRelease]


class SubscriptionRequest(TypedDict):
    """Subscription request."""

    dataset: str
    releases: Literal[4, 12, 26, 52]


class Subscriptions(TypedDict):
    """Subscriptions."""

    subscriptions: list[Subscription]


class Terms(TypedDict):
    """Terms."""

    code: str
    lines_fr: str
    lines_en: str
    months: int
    usage_right: str


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


class Words(TypedDict):
    """Words."""

    fr: str
    en: str
