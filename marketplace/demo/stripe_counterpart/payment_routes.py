"""Routes of Checkout, payment intents, charges, refunds, disputes and setup intents."""

from marketplace.demo.stripe_counterpart import (
    checkout,
    disputes,
    listing,
    payment_intents,
    refunds,
    setup_intents,
    updates,
)
from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.operations import (
    LINE_PAGING,
    Call,
    Operation,
    list_operation,
    retrieve_operation,
)
from marketplace.demo.stripe_counterpart.state import DAY
from marketplace.demo.stripe_counterpart.stripe_types import Json

_EVENT_RETENTION = 30 * DAY


def _update_payment_intent(call: Call) -> Json:
    intent = call.get("payment_intent")
    if "amount" in call.params:
        payment_intents.check_amount(call.params["amount"], intent["currency"], "amount")
    if intent["status"] in ("succeeded", "canceled") and set(call.params) - {"metadata", "description", "expand"}:
        message = f"This PaymentIntent could not be updated because it has a status of {intent['status']}."
        raise ApiError(400, message, code="payment_intent_unexpected_state")
    names = ("amount", "customer", "description", "receipt_email", "transfer_group")
    return updates.update(call.state, intent, call.params, names, None)


def _list_lines(call: Call) -> Json:
    session = call.get("checkout.session")
    wanted = listing.Filter()
    wanted.require("json_extract(body, '$._session') = ?", session["id"])
    return call.list("item", wanted)


PAYMENT_OPERATIONS: tuple[Operation, ...] = (
    # Checkout
    Operation(
        "POST",
        "/v1/checkout/sessions",
        "checkout.SessionCreateParams",
        "checkout.session",
        "allowed_payment_method_types billing_address_collection cancel_url client_reference_id currency customer"
        " customer_creation customer_email excluded_payment_method_types expires_at line_items locale metadata mode"
        " payment_intent_data payment_method_options setup_intent_data submit_type success_url",
        lambda call: checkout.create_session(call.state, call.params),
    ),
    list_operation(
        "/v1/checkout/sessions", "checkout.SessionListParams", "checkout.session", "customer payment_intent status"
    ),
    Operation(
        "GET",
        "/v1/checkout/sessions/{id}",
        "checkout.SessionRetrieveParams",
        "checkout.session",
        "",
        lambda call: checkout.with_url(call.state, call.get("checkout.session")),
    ),
    Operation(
        "POST",
        "/v1/checkout/sessions/{id}",
        "checkout.SessionUpdateParams",
        "checkout.session",
        "metadata",
        lambda call: checkout.update_session(call.get("checkout.session"), call.params),
    ),
    Operation(
        "POST",
        "/v1/checkout/sessions/{id}/expire",
        "checkout.SessionExpireParams",
        "checkout.session",
        "",
        lambda call: checkout.expire_session(call.state, call.get("checkout.session")),
    ),
    Operation(
        "GET",
        "/v1/checkout/sessions/{id}/line_items",
        "checkout.SessionListLineItemsParams",
        "item",
        LINE_PAGING,
        _list_lines,
        lists=True,
    ),
    # Payment intents
    Operation(
        "POST",
        "/v1/payment_intents",
        "PaymentIntentCreateParams",
        "payment_intent",
        "allowed_payment_method_types amount automatic_payment_methods capture_method confirm currency customer"
        " description error_on_requires_action excluded_payment_method_types metadata off_session payment_method"
        " payment_method_data payment_method_options receipt_email return_url setup_future_usage statement_descriptor"
        " statement_descriptor_suffix transfer_group",
        lambda call: payment_intents.create_payment_intent(call.state, call.params),
    ),
    list_operation("/v1/payment_intents", "PaymentIntentListParams", "payment_intent", "customer"),
    retrieve_operation("/v1/payment_intents/{id}", "PaymentIntentRetrieveParams", "payment_intent"),
    Operation(
        "POST",
        "/v1/payment_intents/{id}",
        "PaymentIntentUpdateParams",
        "payment_intent",
        "amount customer description metadata receipt_email transfer_group",
        _update_payment_intent,
    ),
    Operation(
        "POST",
        "/v1/payment_intents/{id}/confirm",
        "PaymentIntentConfirmParams",
        "payment_intent",
        "error_on_requires_action off_session payment_method payment_method_data return_url setup_future_usage",
        lambda call: payment_intents.confirm_by_request(call.state, call.get("payment_intent"), call.params),
    ),
    Operation(
        "POST",
        "/v1/payment_intents/{id}/capture",
        "PaymentIntentCaptureParams",
        "payment_intent",
        "amount_to_capture",
        lambda call: payment_intents.capture(call.state, call.get("payment_intent"), call.params),
    ),
    Operation(
        "POST",
        "/v1/payment_intents/{id}/cancel",
        "PaymentIntentCancelParams",
        "payment_intent",
        "cancellation_reason",
        lambda call: payment_intents.cancel(
            call.state, call.get("payment_intent"), call.params.get("cancellation_reason")
        ),
    ),
    # Charges, refunds, disputes
    list_operation("/v1/charges", "ChargeListParams", "charge", "customer payment_intent transfer_group"),
    retrieve_operation("/v1/charges/{id}", "ChargeRetrieveParams", "charge"),
    Operation(
        "POST",
        "/v1/refunds",
        "RefundCreateParams",
        "refund",
        "amount charge metadata payment_intent reason",
        lambda call: refunds.create_refund(call.state, call.params),
    ),
    list_operation("/v1/refunds", "RefundListParams", "refund", "charge payment_intent"),
    retrieve_operation("/v1/refunds/{id}", "RefundRetrieveParams", "refund"),
    list_operation("/v1/disputes", "DisputeListParams", "dispute", "charge payment_intent"),
    retrieve_operation("/v1/disputes/{id}", "DisputeRetrieveParams", "dispute"),
    Operation(
        "POST",
        "/v1/disputes/{id}",
        "DisputeUpdateParams",
        "dispute",
        "evidence metadata submit",
        lambda call: disputes.answer_dispute(call.state, call.get("dispute"), call.params),
    ),
    Operation(
        "POST",
        "/v1/disputes/{id}/close",
        "DisputeCloseParams",
        "dispute",
        "",
        lambda call: disputes.close_dispute(call.state, call.get("dispute"), won=False),
    ),
    # Setup intents
    Operation(
        "POST",
        "/v1/setup_intents",
        "SetupIntentCreateParams",
        "setup_intent",
        "allowed_payment_method_types automatic_payment_methods confirm customer description"
        " excluded_payment_method_types metadata payment_method return_url usage",
        lambda call: setup_intents.create_setup_intent(call.state, call.params),
    ),
    list_operation("/v1/setup_intents", "SetupIntentListParams", "setup_intent", "customer payment_method"),
    retrieve_operation("/v1/setup_intents/{id}", "SetupIntentRetrieveParams", "setup_intent"),
    Operation(
        "POST",
        "/v1/setup_intents/{id}/confirm",
        "SetupIntentConfirmParams",
        "setup_intent",
        "payment_method return_url",
        lambda call: setup_intents.confirm_setup(call.state, call.get("setup_intent"), call.params),
    ),
    Operation(
        "POST",
        "/v1/setup_intents/{id}/cancel",
        "SetupIntentCancelParams",
        "setup_intent",
        "cancellation_reason",
        lambda call: setup_intents.cancel_setup(
            call.state, call.get("setup_intent"), call.params.get("cancellation_reason")
        ),
    ),
    retrieve_operation("/v1/mandates/{id}", "MandateRetrieveParams", "mandate"),
)
