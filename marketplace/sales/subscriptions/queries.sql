-- fragment: counted
-- Subscriptions with their licence, how many releases they ordered, and how many of those orders were paid.
SELECT
    licence_terms.lines_fr,
    licence_terms.lines_en,
    dataset.sectors,
    subscription.id,
    subscription.partner,
    subscription.dataset,
    dataset.title_fr,
    dataset.title_en,
    dataset.cadence,
    subscription.locked_minor,
    subscription.currency,
    subscription.releases,
    subscription.pay_by,
    subscription.state,
    subscription.began_at,
    subscription.ended_at,
    subscription.promised_days,
    subscription.promised_coverage_micro,
    subscription.terms,
    licence_terms.usage_right,
    licence_terms.months,
    licence_terms.purposes,
    licence_terms.countries,
    (
        SELECT count(*)
        FROM subscribed_release
        WHERE subscribed_release.subscription = subscription.id AND purchase_order IS NOT NULL
    ) AS ordered
FROM subscription
JOIN dataset ON dataset.code = subscription.dataset
JOIN licence_terms ON licence_terms.code = subscription.terms

-- name: list_own
-- The subscriptions of the partner $1, the latest first: $3 of those after the subscription $2, or all.
{counted}
WHERE subscription.partner = $1
  AND ($2::uuid IS NULL
       OR (subscription.began_at, subscription.id)
       < (SELECT began_at, id FROM subscription WHERE partner = $1 AND id = $2))
ORDER BY subscription.began_at DESC, subscription.id DESC
LIMIT $3::bigint;

-- name: get_own
-- The subscription $1 of the partner $2.
{counted}
WHERE subscription.id = $1
  AND subscription.partner = $2;

-- name: list_releases
-- The releases of the subscription $1, the latest period first.
SELECT
    subscribed_release.release,
    release.period_from,
    release.period_to,
    dataset.time_zone,
    purchase_order.id AS purchase_order,
    purchase_order.number,
    purchase_order.state,
    purchase_order.total_minor,
    subscribed_release.refusal,
    subscribed_release.at,
    service_credit.refund_minor AS credit_minor,
    service_credit.days_late,
    service_credit.coverage_micro,
    service_credit.promised_coverage_micro AS sold_coverage_micro
FROM subscribed_release
JOIN release ON release.id = subscribed_release.release
JOIN dataset ON dataset.code = release.dataset
LEFT JOIN purchase_order ON purchase_order.id = subscribed_release.purchase_order
LEFT JOIN service_credit ON service_credit.purchase_order = purchase_order.id
WHERE subscribed_release.subscription = $1
ORDER BY release.period_to DESC;

-- name: list_due
-- At most $1 releases due to active subscriptions at the instant $2: sealed, for sale, not called back, of a period at
-- most a ninth longer than the one whose price was locked (months have 28 to 31 days, days 23 to 25 hours), not ordered
-- by the subscription, not refused within a day, and not the partner's already.
SELECT DISTINCT ON (subscription.id)
    subscription.id AS subscription,
    subscription.partner,
    subscription.locked_minor,
    subscription.locked,
    subscription.pay_by,
    subscription.terms,
    release.id AS release,
    subscription.person,
    subscription.api_key
FROM subscription
JOIN offer ON offer.dataset = subscription.dataset AND offer.withdrawn_at IS NULL
JOIN release ON release.dataset = subscription.dataset AND release.state = 'sealed'
WHERE subscription.state = 'active'
  AND release.period_to > subscription.after
  AND 9 * (release.period_to - release.period_from) <= 10 * coalesce(
      (
          SELECT max(first.period_to - first.period_from)
          FROM release AS first
          WHERE first.dataset = subscription.dataset
            AND first.period_to = subscription.after
            AND first.state = 'sealed'
      ),
      release.period_to - release.period_from
  )
  AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)
  AND NOT EXISTS (
      SELECT
      FROM subscribed_release AS had
      JOIN release AS earlier ON earlier.id = had.release
      WHERE had.subscription = subscription.id
        AND (had.purchase_order IS NOT NULL OR had.at > $2::timestamptz - interval '1 day')
        AND (earlier.period_from, earlier.period_to) = (release.period_from, release.period_to)
  )
  AND NOT EXISTS (
      SELECT
      FROM entitlement
      WHERE entitlement.partner = subscription.partner
        AND entitlement.release = release.id
        AND entitlement.ends_at > $2
        AND entitlement.revoked_at IS NULL
  )
ORDER BY subscription.id, release.period_to, release.revision DESC
LIMIT $1;

-- name: end_complete
-- Ends at $1 the subscriptions that ordered all their releases, and returns them.
UPDATE subscription
SET state = 'ended', ended_at = $1
WHERE state = 'active'
  AND (
      SELECT count(*)
      FROM subscribed_release
      WHERE subscribed_release.subscription = subscription.id AND purchase_order IS NOT NULL
  ) >= releases
RETURNING id, partner, dataset;

-- name: pause_unpaid
-- Pauses active subscriptions with an order that lapsed, and returns them.
UPDATE subscription
SET state = 'paused'
WHERE state = 'active'
  AND EXISTS (
      SELECT
      FROM subscribed_release
      JOIN purchase_order ON purchase_order.id = subscribed_release.purchase_order
      WHERE subscribed_release.subscription = subscription.id AND purchase_order.state = 'lapsed'
  )
RETURNING id, partner, dataset;

-- name: forget_lapsed
-- Removes the lapsed orders from the subscription $1: their releases are due again.
DELETE FROM subscribed_release
USING purchase_order
WHERE purchase_order.id = subscribed_release.purchase_order
  AND subscribed_release.subscription = $1
  AND purchase_order.state = 'lapsed';

-- name: list_dearer
-- Orders of subscriptions that are another partner's, of another release, or dearer than the locked price.
SELECT subscribed_release.id, purchase_order.id AS purchase_order
FROM subscribed_release
JOIN subscription ON subscription.id = subscribed_release.subscription
JOIN purchase_order ON purchase_order.id = subscribed_release.purchase_order
JOIN order_lot ON order_lot.purchase_order = purchase_order.id
JOIN quote ON quote.id = order_lot.quote
WHERE (quote.partner, quote.release) <> (subscription.partner, subscribed_release.release)
   OR purchase_order.net_minor > subscription.locked_minor;

-- name: get_delivered
-- The promises of the subscription $1 and the facts of the release of the order $2. A period is published by its first
-- release; the wait counts from its end, or from the subscription's start if that is later, because earlier delays were
-- known.
SELECT
    subscription.promised_days,
    subscription.promised_coverage_micro,
    greatest(release.period_to, subscription.began_at) AS waited_since,
    (
        SELECT min(first.sealed_at)
        FROM release AS first
        WHERE first.dataset = release.dataset
          AND first.state = 'sealed'
          AND (first.period_from, first.period_to) = (release.period_from, release.period_to)
    ) AS first_sealed_at,
    release.consenting * 1000000 / greatest(release.population, 1) AS coverage_micro,
    purchase_order.total_minor
FROM subscription
CROSS JOIN purchase_order
JOIN order_lot ON order_lot.purchase_order = purchase_order.id
JOIN quote ON quote.id = order_lot.quote
JOIN release ON release.id = quote.release
WHERE subscription.id = $1 AND purchase_order.id = $2;

-- name: list_due_credits
-- At most $1 credits after the one with id $2 whose orders are paid and not fully refunded, and whose refunds were not
-- requested: each with its refund, at most what remains of the order.
SELECT
    service_credit.id,
    service_credit.purchase_order,
    purchase_order.partner,
    purchase_order.number,
    least(service_credit.refund_minor, purchase_order.total_minor - purchase_order.returned_minor) AS refund_minor,
    service_credit.days_late,
    service_credit.coverage_micro,
    service_credit.promised_coverage_micro
FROM service_credit
JOIN purchase_order ON purchase_order.id = service_credit.purchase_order AND purchase_order.state = 'paid'
JOIN licence ON licence.purchase_order = purchase_order.id AND licence.cancelled_at IS NULL
WHERE service_credit.asked_at IS NULL
  AND service_credit.id > $2
  AND purchase_order.returned_minor < purchase_order.total_minor
ORDER BY service_credit.id
LIMIT $1;

-- name: list_credits_not_given
-- Credits marked as requested without a refund of that amount, and refunds of credits that are not marked.
SELECT service_credit.id, service_credit.refund_minor, stripe_command.amount_minor
FROM service_credit
LEFT JOIN stripe_command
    ON stripe_command.id = service_credit.id
    AND stripe_command.verb = 'refund'
    AND stripe_command.subject = service_credit.purchase_order
    AND stripe_command.amount_minor = service_credit.refund_minor
LEFT JOIN order_return AS on_credit
    ON on_credit.id = service_credit.id
    AND on_credit.purchase_order = service_credit.purchase_order
    AND on_credit.total_minor = service_credit.refund_minor
WHERE (service_credit.asked_at IS NULL) <> (coalesce(stripe_command.id, on_credit.id) IS NULL);
