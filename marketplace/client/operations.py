"""Every call of the API for partners, as a method; `python -m tests.api_client` writes it from the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from marketplace.client.asking import Calls, part

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from marketplace.client.shapes import (
        Auctions,
        AuctionWithLots,
        BidAnswer,
        BidRequest,
        ClaimRequest,
        Claims,
        Datasets,
        DatasetWithReleases,
        DeletionConfirmation,
        Density,
        DensityRequest,
        Dictionary,
        Entitlement,
        Entitlements,
        Events,
        Invoices,
        Me,
        OrderAnswer,
        OrderRequest,
        Orders,
        OwnSpendingLimit,
        PaymentMethods,
        PaymentRequest,
        Preview,
        PreviewRequest,
        PrivacyCard,
        QuoteRequest,
        SignedPrice,
        SigningKey,
        StateRequest,
        SubscriptionAnswer,
        SubscriptionRequest,
        Subscriptions,
        Terms,
        Trial,
    )


class Operations(Calls):
    """The calls; a refusal is raised as `Refused`."""

    def me(self) -> Me:
        """Say whose key this is."""
        answer: Me = self.ask("GET", "/api/v1/me")
        return answer

    def own_limit(self) -> OwnSpendingLimit:
        """Say what this key may spend; a key without a limit reads and asks for prices, and orders nothing."""
        answer: OwnSpendingLimit = self.ask("GET", "/api/v1/spending-limit")
        return answer

    def request_quote(self, body: QuoteRequest, *, idempotency_key: str) -> SignedPrice:
        """Sign a price; the Idempotency-Key, a UUID, is the quote's id, so that asking again answers the same."""
        answer: SignedPrice = self.ask(
            "POST", "/api/v1/quotes", headers={"Idempotency-Key": idempotency_key}, body=body
        )
        return answer

    def get_quote(self, quote: str) -> SignedPrice:
        """Return one of the partner's own quotes, with its signed document."""
        answer: SignedPrice = self.ask("GET", f"/api/v1/quotes/{part(quote)}")
        return answer

    def keys(self) -> SigningKey:
        """Return the public key that quotes are checked with."""
        answer: SigningKey = self.ask("GET", "/api/v1/keys")
        return answer

    def preview(self, body: PreviewRequest, *, idempotency_key: str) -> Preview:
        """Return how much of a release survives in the partner's own zones, rounded, before it pays."""
        answer: Preview = self.ask("POST", "/api/v1/previews", headers={"Idempotency-Key": idempotency_key}, body=body)
        return answer

    def list_datasets(
        self,
        *,
        search: str | None = None,
        below: int | None = None,
        sort: Literal["fresh", "cheap", "dear", "coverage"] | None = None,
        page: int | None = None,
        area: list[str] | None = None,
        indicator: list[str] | None = None,
        zones: list[str] | None = None,
        grain: list[str] | None = None,
        cadence: list[str] | None = None,
        price: list[str] | None = None,
        coverage: list[str] | None = None,
        latest: list[str] | None = None,
    ) -> Datasets:
        """List what is for sale, freshest first, with the number of datasets and of each facet's values."""
        answer: Datasets = self.ask(
            "GET",
            "/api/v1/datasets",
            query={
                "search": search,
                "below": below,
                "sort": sort,
                "page": page,
                "area": area,
                "indicator": indicator,
                "zones": zones,
                "grain": grain,
                "cadence": cadence,
                "price": price,
                "coverage": coverage,
                "latest": latest,
            },
        )
        return answer

    def get_dataset(self, code: str, *, page: int | None = None) -> DatasetWithReleases:
        """Return a dataset with its releases, latest first."""
        answer: DatasetWithReleases = self.ask("GET", f"/api/v1/datasets/{part(code)}", query={"page": page})
        return answer

    def get_zones(self, code: str) -> HTTPResponse:
        """Return the zones a dataset is counted over, published or withheld, with their names, parents and outlines."""
        return self.open("GET", f"/api/v1/datasets/{part(code)}/zones.geojson")

    def get_privacy_card(self, code: str) -> PrivacyCard:
        """Return a dataset's privacy promise as registries of deployments ask for it, with the figures of its latest release."""
        answer: PrivacyCard = self.ask("GET", f"/api/v1/datasets/{part(code)}/privacy-card.json")
        return answer

    def list_claims(self, order: str) -> Claims:
        """List what was claimed about one of the partner's orders, and what became of it."""
        answer: Claims = self.ask("GET", f"/api/v1/orders/{part(order)}/claims")
        return answer

    def file_claim(self, order: str, body: ClaimRequest, *, idempotency_key: str) -> Claims:
        """Claim within thirty days that something is wrong with a purchase; the same Idempotency-Key claims once."""
        answer: Claims = self.ask(
            "POST", f"/api/v1/orders/{part(order)}/claims", headers={"Idempotency-Key": idempotency_key}, body=body
        )
        return answer

    def withdraw_claim(self, order: str) -> Claims:
        """Withdraw the open claim about an order; where there is none, nothing changes."""
        answer: Claims = self.ask("POST", f"/api/v1/orders/{part(order)}/claims/withdraw")
        return answer

    def show_terms(self, code: str) -> Terms:
        """Show licence terms of a version, as an order accepts them."""
        answer: Terms = self.ask("GET", f"/api/v1/licence-terms/{part(code)}")
        return answer

    def list_orders(
        self,
        *,
        page: int | None = None,
        after: str | None = None,
        state: Literal["awaiting_payment", "paid", "lapsed", "refunded", "charged_back"] | None = None,
        dataset: str | None = None,
        since: str | None = None,
    ) -> Orders:
        """List the partner's orders, the latest first; `after` is the order to go on after, `since` the first instant."""
        answer: Orders = self.ask(
            "GET",
            "/api/v1/orders",
            query={"page": page, "after": after, "state": state, "dataset": dataset, "since": since},
        )
        return answer

    def order_quote(self, body: OrderRequest, *, idempotency_key: str) -> OrderAnswer:
        """Order a quote, accept its terms and say how it is paid; the same Idempotency-Key again is the same order."""
        answer: OrderAnswer = self.ask(
            "POST", "/api/v1/orders", headers={"Idempotency-Key": idempotency_key}, body=body
        )
        return answer

    def show_order(self, order: str, *, lot: int | None = None) -> OrderAnswer:
        """Show one order with one of its releases; while its payment is awaited, with the address to pay at."""
        answer: OrderAnswer = self.ask("GET", f"/api/v1/orders/{part(order)}", query={"lot": lot})
        return answer

    def list_payment_methods(self) -> PaymentMethods:
        """List what orders are paid by without a page: the card or account that the company saved on the site."""
        answer: PaymentMethods = self.ask("GET", "/api/v1/payment-methods")
        return answer

    def auctions_api(self, *, page: int | None = None, after: str | None = None) -> Auctions:
        """List auctions, those that can still be bid in first; `after` is the auction to go on after."""
        answer: Auctions = self.ask("GET", "/api/v1/auctions", query={"page": page, "after": after})
        return answer

    def auction_api(self, auction: str) -> AuctionWithLots:
        """Return an auction's rule, its current state, and its lots."""
        answer: AuctionWithLots = self.ask("GET", f"/api/v1/auctions/{part(auction)}")
        return answer

    def bid_api(self, auction: str, bid: str, body: BidRequest) -> BidAnswer:
        """Bid; `bid` is the request's own id, so sending it again gives the same answer."""
        answer: BidAnswer = self.ask("PUT", f"/api/v1/auctions/{part(auction)}/bids/{part(bid)}", body=body)
        return answer

    def receipt_api(self, bid: str) -> BidAnswer:
        """Return the signed receipt of one of the partner's own bids."""
        answer: BidAnswer = self.ask("GET", f"/api/v1/bids/{part(bid)}")
        return answer

    def transcript_api(self, auction: str) -> dict[str, Any]:
        """Return an awarded auction's transcript, byte for byte as it was published."""
        answer: dict[str, Any] = self.ask("GET", f"/api/v1/auctions/{part(auction)}/transcript")
        return answer

    def list_subscriptions(self, *, after: str | None = None) -> Subscriptions:
        """List the partner's subscriptions, the latest first, ended ones too; `after` is the one to go on after."""
        answer: Subscriptions = self.ask("GET", "/api/v1/subscriptions", query={"after": after})
        return answer

    def subscribe(self, body: SubscriptionRequest, *, idempotency_key: str) -> SubscriptionAnswer:
        """Subscribe to a dataset's next releases, each charged or on invoice; the same Idempotency-Key subscribes once."""
        answer: SubscriptionAnswer = self.ask(
            "POST", "/api/v1/subscriptions", headers={"Idempotency-Key": idempotency_key}, body=body
        )
        return answer

    def show_subscription(self, subscription: str) -> SubscriptionAnswer:
        """Show a subscription, what it ordered, and what was given back of that as service credits."""
        answer: SubscriptionAnswer = self.ask("GET", f"/api/v1/subscriptions/{part(subscription)}")
        return answer

    def change_subscription(self, subscription: str, body: StateRequest) -> SubscriptionAnswer:
        """Pause a subscription, resume it, or end it."""
        answer: SubscriptionAnswer = self.ask("PUT", f"/api/v1/subscriptions/{part(subscription)}/state", body=body)
        return answer

    def change_payment(self, subscription: str, body: PaymentRequest) -> SubscriptionAnswer:
        """Have the releases to come be charged to the saved method, or be on invoice within your limit."""
        answer: SubscriptionAnswer = self.ask("PUT", f"/api/v1/subscriptions/{part(subscription)}/payment", body=body)
        return answer

    def confirm(self, order: str, *, lot: int | None = None) -> DeletionConfirmation:
        """Confirm that you deleted all copies of a release that was called back; again changes nothing."""
        answer: DeletionConfirmation = self.ask("POST", f"/api/v1/orders/{part(order)}/deletion", query={"lot": lot})
        return answer

    def begin_trial(self, code: str, *, idempotency_key: str) -> Trial:
        """Begin the company's one trial, of an older release of a dataset, for two weeks; the same Idempotency-Key begins once."""
        answer: Trial = self.ask(
            "POST", f"/api/v1/datasets/{part(code)}/trial", headers={"Idempotency-Key": idempotency_key}
        )
        return answer

    def show_trial(self) -> Trial:
        """Show the company's trial, ended or not."""
        answer: Trial = self.ask("GET", "/api/v1/trial")
        return answer

    def download_trial(
        self, *, format_: Literal["parquet", "csv", "xlsx", "geoparquet", "grid"] | None = None
    ) -> HTTPResponse:
        """Download the file of the company's trial in a format."""
        return self.open("GET", "/api/v1/trial/download", query={"format": format_})

    def list_entitlements(
        self, *, page: int | None = None, after: str | None = None, dataset: str | None = None
    ) -> Entitlements:
        """List what the partner may download, ended and revoked entitlements too."""
        answer: Entitlements = self.ask(
            "GET", "/api/v1/entitlements", query={"page": page, "after": after, "dataset": dataset}
        )
        return answer

    def show_entitlement(self, entitlement: str) -> Entitlement:
        """Show one entitlement."""
        answer: Entitlement = self.ask("GET", f"/api/v1/entitlements/{part(entitlement)}")
        return answer

    def download(
        self, entitlement: str, *, format_: Literal["parquet", "csv", "xlsx", "geoparquet", "grid"] | None = None
    ) -> HTTPResponse:
        """Download the cells in a format, whole or in parts."""
        return self.open("GET", f"/api/v1/entitlements/{part(entitlement)}/download", query={"format": format_})

    def show_dictionary(self, entitlement: str) -> Dictionary:
        """Say what the columns of the cells mean, how exact they are, and until when the licence is."""
        answer: Dictionary = self.ask("GET", f"/api/v1/entitlements/{part(entitlement)}/dictionary")
        return answer

    def list_events(self, *, after: int | None = None, limit: int | None = None) -> Events:
        """List what concerns the partner after a cursor, the earliest first: ask again with the answer's `after`."""
        answer: Events = self.ask("GET", "/api/v1/events", query={"after": after, "limit": limit})
        return answer

    def show_feed(self) -> HTTPResponse:
        """Show the last of what concerns the partner as an Atom feed (RFC 4287)."""
        return self.open("GET", "/api/v1/events.atom")

    def retrieve(self, body: DensityRequest, *, x_correlator: str | None = None) -> Density:
        """Retrieve people per square kilometre, by hour and geohash, of what the partner bought (CAMARA Population Density Data)."""
        answer: Density = self.ask(
            "POST", "/api/camara/population-density-data/v0/retrieve", headers={"x-correlator": x_correlator}, body=body
        )
        return answer

    def list_invoices(self, *, after: str | None = None, order: str | None = None) -> Invoices:
        """List the partner's invoices and credit notes, the latest first, of all orders or of one."""
        answer: Invoices = self.ask("GET", "/api/v1/invoices", query={"after": after, "order": order})
        return answer

    def show_invoice(self, invoice: str) -> HTTPResponse:
        """Download an invoice or credit note: a PDF that holds its figures as Factur-X."""
        return self.open("GET", f"/api/v1/invoices/{part(invoice)}")
