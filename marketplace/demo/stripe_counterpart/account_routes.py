"""Routes of the balance, payouts, customers, payment methods, connected accounts, events and webhook endpoints."""

from marketplace.demo.stripe_counterpart import (
    balance,
    cash_balances,
    checkout,
    connect,
    customers,
    endpoints,
    listing,
    payment_methods,
    payouts,
    updates,
)
from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.operations import (
    LINE_PAGING,
    PAGING,
    Call,
    Operation,
    list_operation,
    retrieve_operation,
)
from marketplace.demo.stripe_counterpart.state import DAY
from marketplace.demo.stripe_counterpart.stripe_types import Json

_EVENT_RETENTION = 30 * DAY
_MOST_TYPES = 20


def _retrieve_payment_method(call: Call) -> Json:
    return payment_methods.find_payment_method(call.state, call.subject)


def _list_events(call: Call) -> Json:
    wanted = listing.Filter()
    wanted.require("json_extract(body, '$.created') >= ?", call.state.now() - _EVENT_RETENTION)
    if "type" in call.params:
        wanted.require("json_extract(body, '$.type') GLOB ?", call.params["type"])
    if types := call.params.get("types"):
        if len(types) > _MOST_TYPES:
            raise ApiError(400, f"You may pass at most {_MOST_TYPES} types.", param="types", executed=False)
        wanted.require(f"json_extract(body, '$.type') IN ({', '.join('?' * len(types))})", *types)
    if "delivery_success" in call.params:
        wanted.require("(json_extract(body, '$.pending_webhooks') = 0) = ?", call.params["delivery_success"])
    return call.list("event", wanted)


def _list_of_customer(call: Call, kind: str) -> Json:
    wanted = listing.Filter()
    wanted.require("json_extract(body, '$.customer') = ?", call.get("customer")["id"])
    return call.list(kind, wanted)


ACCOUNT_OPERATIONS: tuple[Operation, ...] = (
    # Balance and payouts
    Operation(
        "GET",
        "/v1/balance",
        "BalanceRetrieveParams",
        "balance",
        "",
        lambda call: balance.retrieve_balance(call.state, call.account),
    ),
    list_operation(
        "/v1/balance_transactions",
        "BalanceTransactionListParams",
        "balance_transaction",
        "currency source type payout=_payout",
    ),
    retrieve_operation("/v1/balance_transactions/{id}", "BalanceTransactionRetrieveParams", "balance_transaction"),
    Operation(
        "POST",
        "/v1/payouts",
        "PayoutCreateParams",
        "payout",
        "amount currency description metadata statement_descriptor",
        lambda call: payouts.create_payout(call.state, call.params, call.account),
    ),
    list_operation("/v1/payouts", "PayoutListParams", "payout", "status"),
    retrieve_operation("/v1/payouts/{id}", "PayoutRetrieveParams", "payout"),
    # Customers and payment methods
    Operation(
        "POST",
        "/v1/customers",
        "CustomerCreateParams",
        "customer",
        f"{' '.join(customers.UPDATABLE)} metadata tax_id_data",
        lambda call: customers.create_customer(call.state, call.params),
    ),
    list_operation("/v1/customers", "CustomerListParams", "customer", "email"),
    retrieve_operation("/v1/customers/{id}", "CustomerRetrieveParams", "customer"),
    Operation(
        "POST",
        "/v1/customers/{id}",
        "CustomerUpdateParams",
        "customer",
        f"{' '.join(customers.UPDATABLE)} metadata",
        lambda call: updates.update(
            call.state, call.get("customer"), call.params, customers.UPDATABLE, "customer.updated"
        ),
    ),
    Operation(
        "DELETE",
        "/v1/customers/{id}",
        "CustomerDeleteParams",
        "customer",
        "",
        lambda call: customers.delete_customer(call.state, call.get("customer")),
    ),
    Operation(
        "POST",
        "/v1/customers/{id}/tax_ids",
        "CustomerCreateTaxIdParams",
        "tax_id",
        "type value",
        lambda call: customers.add_tax_id(call.state, call.subject, call.params),
    ),
    Operation(
        "GET",
        "/v1/customers/{id}/tax_ids",
        "CustomerListTaxIdsParams",
        "tax_id",
        LINE_PAGING,
        lambda call: _list_of_customer(call, "tax_id"),
        lists=True,
    ),
    Operation(
        "POST",
        "/v1/payment_methods",
        "PaymentMethodCreateParams",
        "payment_method",
        "billing_details card customer_balance metadata sepa_debit type",
        lambda call: payment_methods.create_payment_method(call.state, call.params),
    ),
    list_operation("/v1/payment_methods", "PaymentMethodListParams", "payment_method", "customer type", LINE_PAGING),
    Operation(
        "GET",
        "/v1/payment_methods/{id}",
        "PaymentMethodRetrieveParams",
        "payment_method",
        "",
        _retrieve_payment_method,
    ),
    Operation(
        "POST",
        "/v1/payment_methods/{id}/attach",
        "PaymentMethodAttachParams",
        "payment_method",
        "customer",
        lambda call: payment_methods.attach(call.state, _retrieve_payment_method(call), call.params["customer"]),
    ),
    Operation(
        "POST",
        "/v1/payment_methods/{id}/detach",
        "PaymentMethodDetachParams",
        "payment_method",
        "",
        lambda call: payment_methods.detach(call.state, call.get("payment_method")),
    ),
    # Cash balances
    Operation(
        "GET",
        "/v1/customers/{id}/cash_balance",
        "CustomerCashBalanceRetrieveParams",
        "cash_balance",
        "",
        lambda call: cash_balances.retrieve_cash_balance(call.get("customer")),
    ),
    Operation(
        "GET",
        "/v1/customers/{id}/cash_balance_transactions",
        "CustomerCashBalanceTransactionListParams",
        "customer_cash_balance_transaction",
        LINE_PAGING,
        lambda call: _list_of_customer(call, "customer_cash_balance_transaction"),
        lists=True,
    ),
    Operation(
        "POST",
        "/v1/test_helpers/customers/{id}/fund_cash_balance",
        "test_helpers.CustomerFundCashBalanceParams",
        "customer_cash_balance_transaction",
        "amount currency reference",
        lambda call: checkout.receive_funds(call.state, call.get("customer"), call.params),
    ),
    # Our own account
    Operation(
        "GET",
        "/v1/account",
        "AccountRetrieveCurrentParams",
        "account",
        "",
        lambda call: connect.retrieve_our_account(call.state),
    ),
    Operation(
        "GET",
        "/v1/balance_settings",
        "BalanceSettingsRetrieveParams",
        "balance_settings",
        "",
        lambda call: connect.retrieve_balance_settings(call.state),
    ),
    # Connected accounts and transfers
    Operation(
        "POST",
        "/v1/accounts",
        "AccountCreateParams",
        "account",
        "business_type capabilities country email metadata tos_acceptance type",
        lambda call: connect.create_account(call.state, call.params),
    ),
    list_operation("/v1/accounts", "AccountListParams", "account"),
    retrieve_operation("/v1/accounts/{id}", "AccountRetrieveParams", "account"),
    Operation(
        "DELETE",
        "/v1/accounts/{id}",
        "AccountDeleteParams",
        "account",
        "",
        lambda call: connect.delete_account(call.state, call.get("account")),
    ),
    Operation(
        "POST",
        "/v1/account_links",
        "AccountLinkCreateParams",
        "account_link",
        "account refresh_url return_url type",
        lambda call: connect.create_account_link(call.state, call.params),
    ),
    Operation(
        "POST",
        "/v1/transfers",
        "TransferCreateParams",
        "transfer",
        "amount currency description destination metadata source_transaction transfer_group",
        lambda call: connect.create_transfer(call.state, call.params),
    ),
    list_operation("/v1/transfers", "TransferListParams", "transfer", "destination transfer_group"),
    retrieve_operation("/v1/transfers/{id}", "TransferRetrieveParams", "transfer"),
    Operation(
        "POST",
        "/v1/transfers/{id}/reversals",
        "TransferCreateReversalParams",
        "transfer_reversal",
        "amount metadata",
        lambda call: connect.reverse_transfer(call.state, call.get("transfer"), call.params),
    ),
    # Events and webhook endpoints
    Operation(
        "GET",
        "/v1/events",
        "EventListParams",
        "event",
        f"{PAGING} delivery_success type types",
        _list_events,
        lists=True,
    ),
    retrieve_operation("/v1/events/{id}", "EventRetrieveParams", "event"),
    Operation(
        "POST",
        "/v1/webhook_endpoints",
        "WebhookEndpointCreateParams",
        "webhook_endpoint",
        "api_version description enabled_events metadata url",
        lambda call: endpoints.create_endpoint(call.state, call.params),
    ),
    list_operation("/v1/webhook_endpoints", "WebhookEndpointListParams", "webhook_endpoint", "", LINE_PAGING),
    retrieve_operation("/v1/webhook_endpoints/{id}", "WebhookEndpointRetrieveParams", "webhook_endpoint"),
    Operation(
        "POST",
        "/v1/webhook_endpoints/{id}",
        "WebhookEndpointUpdateParams",
        "webhook_endpoint",
        "description disabled enabled_events metadata url",
        lambda call: endpoints.update_endpoint(call.get("webhook_endpoint"), call.params),
    ),
    Operation(
        "DELETE",
        "/v1/webhook_endpoints/{id}",
        "WebhookEndpointDeleteParams",
        "webhook_endpoint",
        "",
        lambda call: endpoints.delete_endpoint(call.state, call.get("webhook_endpoint")),
    ),
)
