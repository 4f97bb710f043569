"""What breaks each invariant, by its sentence: statements that only the owner of the schema could run, with triggers off."""

INDEXED = """WITH made AS (INSERT INTO contribution_segment (id, level, state, begun_at, retired_at)
                             VALUES (gen_random_uuid(), 0, '{state}', now(), {retired_at}) RETURNING id)
             INSERT INTO sold_release (release, segment) SELECT release.id, made.id FROM release, made LIMIT 1
             ON CONFLICT (release) DO UPDATE SET segment = excluded.segment"""
SUBSCRIBED = """WITH sold AS (SELECT purchase_order.id, partner, licence.release, licence.terms FROM purchase_order
                              JOIN licence ON licence.purchase_order = purchase_order.id WHERE state = 'paid' LIMIT 1),
                     begun AS (INSERT INTO subscription (id, partner, dataset, locked, locked_minor, releases, after, began_at, promised_days,
                                                         promised_coverage_micro, terms)
                               SELECT gen_random_uuid(), {partner}, dataset, '', {locked}, 1, now(), now(), 3, 1, sold.terms
                               FROM sold
                               JOIN release ON release.id = sold.release
                               RETURNING id)
                INSERT INTO subscribed_release (id, subscription, release, purchase_order, at)
                SELECT gen_random_uuid(), begun.id, sold.release, sold.id, now() FROM sold, begun"""
CLAIMED = """INSERT INTO claim (id, purchase_order, reason, evidence, filed_at, proposal, refund_minor, answer,
                                proposed_by, proposed_at, outcome, decided_by, ended_at)
             SELECT gen_random_uuid(), purchase_order.id, 'incomplete', 'half of it', now(), 'refund', 1, 'so it is',
                    one.id, now(), {outcome}, other.id, {ended}
             FROM purchase_order, person AS one, person AS other
             WHERE purchase_order.state = 'paid' AND one.id < other.id LIMIT 1"""
REWARDED = """WITH taken AS (SELECT run, subscriber, -payable_micro / 10000 AS minor FROM accrual
                             WHERE payable_micro < 0 ORDER BY id LIMIT 1),
                   made AS (INSERT INTO reward_run (id, way, amount_minor, people, made_at, moved_by)
                            SELECT gen_random_uuid(), 'bill', minor + {more}, 1, now(), run FROM taken RETURNING id)
              INSERT INTO reward (id, run, subscriber, amount_minor, state)
              SELECT gen_random_uuid(), made.id, subscriber, minor, '{state}' FROM made, taken"""
SENT = """WITH made AS (INSERT INTO transmission (id, invoice, address, state, code, created_at, deposited_at)
                        SELECT gen_random_uuid(), id, 'x', '{state}', 200, now(), now() FROM invoice LIMIT 1 RETURNING id)
          INSERT INTO einvoicing_flow (id, kind, transmission, name, next_at, created_at)
          SELECT gen_random_uuid(), '{kind}', id, 'x', now(), now() FROM made"""
ON_CREDIT = """INSERT INTO credit_sale (subject, partner, number, total_minor, paid_minor, granted_at, due_at)
               SELECT gen_random_uuid(), id, 'P-9', 9, {paid}, now(), now() + interval '30 days' FROM partner LIMIT 1"""
OFFENCES: dict[str, str | tuple[str, ...]] = {
    "every line of the audit trail is in its chain, or waits to be": "DELETE FROM unlinked_action",
    "the sums of revenue and of shares are what the entries that do not wait for them add up to": "DELETE FROM unsummed_entry",
    "the chain of the audit trail has no gap": "INSERT INTO trail_link SELECT 2, min(id), repeat('0', 64) FROM staff_action",
    "a partner that has people has one who administers it": "UPDATE person SET company_role = 'buyer' WHERE partner IS NOT NULL",
    "every ask of an awarded call has its outcome, and no other has one": (
        "INSERT INTO reverse_auction_outcome (ask, reason) SELECT gen_random_uuid(), 'won'"
    ),
    "a sold release is in a live segment of the index, or in none yet": INDEXED.format(
        state="retired", retired_at="now()"
    ),
    "a live segment of the index has every contribution of its releases": INDEXED.format(
        state="live", retired_at="NULL"
    ),
    "no two live segments of the index are of one level": (
        """INSERT INTO contribution_segment (id, level, state, begun_at)
           SELECT gen_random_uuid(), 1, 'live', now() FROM generate_series(1, 2)"""
    ),
    "a dataset's product is one that the registry lists": "UPDATE dataset SET product = 'crowds'",
    "a dataset is counted by a grain of its product": "UPDATE dataset SET product = 'stays', grain = 'hour'",
    "only a dataset whose product adds up has totals, or thin cells added up over a parent": (
        "UPDATE dataset SET product = 'flows', max_zones = 1, parent_resolution = 0",
        "UPDATE dataset SET product = 'flows', max_zones = 0, parent_resolution = 1",
    ),
    "an auction's kind is one that the registry lists, and its price rule one of the kind's": (
        "UPDATE auction SET kind = 'raffle'",
        "UPDATE auction SET price_rule = 'vcg'",
    ),
    "an auction has a window exactly when its kind has one": (
        "UPDATE auction SET exclusive_from = now(), exclusive_to = now() + interval '1 day'",
        "UPDATE auction SET kind = 'exclusive', price_rule = 'second_price'",
    ),
    "an auction sells no more licences than its kind may": "UPDATE auction SET licences = 2",
    "the FEC of a closed year is the same however often it is written": (
        """WITH days AS (SELECT make_date(2019, 1, 1) AS first, make_date(2019, 12, 31) AS last, (SELECT id FROM person LIMIT 1) AS person),
           closed AS (INSERT INTO proposal (id, kind, subject, document, document_sha256, proposed_by, proposed_at, decided_by, decided_at, approved)
                      SELECT gen_random_uuid(), 'year', '2019', '{"year": 2019, "result_minor": 0, "carried_minor": 0}', '',
                             min(id::text)::uuid, now(), max(id::text)::uuid, now(), true FROM person RETURNING id)
           INSERT INTO export_file (id, format, first_day, last_day, person, requested_at, state, done_at, sha256)
           SELECT id, 'fec', first, last, person, now(), 'done', now(), 'a' FROM closed, days
           UNION ALL SELECT gen_random_uuid(), 'fec', first, last, person, now(), 'done', now(), 'b' FROM days"""
    ),
    "a closed year earned what its postings to costs and income say": (
        """INSERT INTO proposal (id, kind, subject, document, document_sha256, proposed_by, proposed_at, decided_by, decided_at, approved)
           SELECT gen_random_uuid(), 'year', '2018', '{"year": 2018, "result_minor": 1, "carried_minor": 0}', '',
                  min(id::text)::uuid, now(), max(id::text)::uuid, now(), true FROM person"""
    ),
    "an export is in a format that the registry lists": (
        """INSERT INTO export_file (id, format, first_day, last_day, person, requested_at)
           SELECT gen_random_uuid(), 'abacus', '2020-01-01', '2020-01-31', id, now() FROM person LIMIT 1"""
    ),
    "the sums of a day that is not in a closed month are what its postings add up to": (
        "UPDATE day_sum SET debit_minor = debit_minor + 1 WHERE id = (SELECT max(id) FROM day_sum)"
    ),
    "what the last closed month ended with is what its postings and those before add up to": (
        "INSERT INTO period_balance (month, account, debit_minor, credit_minor) SELECT max(month), '411000', 1, 0 FROM period"
    ),
    "an auction's accepted bids are numbered from one without a gap, and its lead says how many they are": (
        "UPDATE auction_lead SET bid_count = bid_count + 1"
    ),
    "bids are in the order of their instants, each within its auction": (
        "UPDATE bid SET received_at = (SELECT min(received_at) FROM bid) - interval '1 microsecond' WHERE position = 2"
    ),
    "a live auction is awarded to its leader, at the leading price": (
        "UPDATE auction_outcome SET pays_minor = pays_minor + 1 WHERE cardinality(lots) > 0",
        "UPDATE auction_lead SET leader = NULL, leading_maximum_minor = NULL, price_minor = NULL",
    ),
    "an awarded auction has a transcript, and no other one has": "DELETE FROM auction_transcript",
    "an awarded order is bought at its award's price, under the auction that set it": (
        "UPDATE auction_sale SET net_minor = net_minor + 1"
    ),
    "a forfeited deposit is entered once as forfeited, for what was captured, and no other is": (
        """INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
           VALUES ('deposit_forfeited', gen_random_uuid()::text, now(), now(), 'EUR', 'x')"""
    ),
    "a penalty is entered once, for what was paid of it, and no deposit is entered as one": (
        """INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
           VALUES ('penalty_received', gen_random_uuid()::text, now(), now(), 'EUR', 'x')"""
    ),
    "what a bank reversed of a penalty is entered against disputes, and nothing else is": (
        """INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
           VALUES ('penalty_charged_back', 'dp_none', now(), now(), 'EUR', 'x')"""
    ),
    "what was given back of a forfeited deposit or a penalty is entered for what Stripe moved": (
        """INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
           VALUES ('penalty_given_back', 'txn_none', now(), now(), 'EUR', 'x')"""
    ),
    "what unpaid awards earned is what their entries say, and no other entry": (
        """WITH entry AS (INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
                          VALUES ('write_off', 'none', now(), now(), 'EUR', 'x') RETURNING id)
           INSERT INTO posting (entry, debit, credit, amount_minor) SELECT id, '411000', '758200', 1 FROM entry"""
    ),
    "what a bank reversed of a forfeited deposit is entered against disputes, and nothing else is": (
        """INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
           VALUES ('deposit_charged_back', 'dp_none', now(), now(), 'EUR', 'x')"""
    ),
    "a journal entry moves something": (
        """INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
           VALUES ('odd', 'x', now(), now(), 'EUR', '')"""
    ),
    "a sale is entered for what its order says": (
        """UPDATE posting SET amount_minor = amount_minor + 1
           WHERE id = (SELECT min(id) FROM posting WHERE credit = '445710')"""
    ),
    "what went back is entered for what it says, a refund against the partner, a lost dispute against disputes": (
        "UPDATE posting SET amount_minor = amount_minor - 1 WHERE debit = '445710'"
    ),
    "Stripe's balance transactions and the entries that post them move the same": (
        """UPDATE posting SET amount_minor = amount_minor + 1
           WHERE id = (SELECT max(id) FROM posting WHERE credit = '517000')"""
    ),
    "nothing moves Stripe's account but its balance transactions": (
        """WITH entry AS (INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
                          VALUES ('gift', 'x', now(), now(), 'EUR', '') RETURNING id)
           INSERT INTO posting (entry, debit, credit, amount_minor) SELECT id, '517000', '654000', 1 FROM entry"""
    ),
    "a category outside the chart is posted to an account that two people gave it": (
        """WITH entry AS (INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
                          VALUES ('stripe_climate_order_purchase', 'x', now(), now(), 'EUR', '') RETURNING id)
           INSERT INTO posting (entry, debit, credit, amount_minor) SELECT id, '654000', '517000', 1 FROM entry"""
    ),
    "a paid order has its payment or is on credit, and has its sale entry, licence and entitlement": (
        "DELETE FROM entitlement WHERE licence = '{held}'"
    ),
    "an order that is not paid has no licence and no sale entry": (
        "UPDATE purchase_order SET state = 'lapsed', paid_at = NULL WHERE state = 'paid'"
    ),
    "a payment is over what its order owes": "UPDATE payment SET amount_minor = amount_minor + 1 WHERE state = 'paid'",
    "an order buys its own quote": "UPDATE quote SET partner = (SELECT id FROM partner WHERE id <> quote.partner LIMIT 1)",
    "an order costs what its quotes do": "UPDATE quote SET amount_minor = amount_minor + 1",
    "a partner has one unpaid order of a release at a level, unless it may have another": (
        "UPDATE purchase_order SET state = 'awaiting_payment', paid_at = NULL, may_repeat = false WHERE state = 'paid'"
    ),
    "a licence and its entitlement are those of their lot": "UPDATE licence SET posted_minor = posted_minor + 1, net_minor = net_minor + 1",
    "an order says what went back of it, and its licences what of that was before VAT": (
        "UPDATE order_return SET net_minor = net_minor - 1, total_minor = total_minor - 1"
    ),
    "an order whose money is gone has its licences cancelled and its entitlements revoked; refunded, its payment is": (
        "UPDATE entitlement SET revoked_at = NULL"
    ),
    "a licence is cancelled with its entitlement, and only where money goes back": (
        """UPDATE licence SET cancelled_at = now() WHERE id = '{held}';
           UPDATE entitlement SET revoked_at = now() WHERE licence = '{held}'"""
    ),
    "an entitlement is suspended by a dispute or an overdue invoice, and never while it is revoked": (
        "UPDATE entitlement SET suspended_at = now() WHERE licence = '{held}'"
    ),
    "no more is refunded than was received": "UPDATE payment SET received_minor = 1 WHERE state = 'refunded'",
    "a sale on credit owes what its movements add up to": ON_CREDIT.format(paid=1),
    "what a sale on credit was granted, returned, provided for and lost is entered for its amount": ON_CREDIT.format(
        paid=0
    ),
    "the accounts of sales on credit and of provisions hold what the sales on credit say": ON_CREDIT.format(paid=0),
    "only sealed releases are licensed": "UPDATE release SET state = 'noised', sealed_at = NULL",
    "nobody downloads outside their entitlement": (
        """INSERT INTO download (id, entitlement, format, byte_count, at)
           SELECT gen_random_uuid(), id, 'csv', 1, ends_at FROM entitlement"""
    ),
    "an entry that moves revenue has its invoice or credit note, for what it moves": (
        "UPDATE invoice SET net_minor = net_minor + 1, total_minor = total_minor + 1 WHERE kind = 'invoice'"
    ),
    "the numbers of invoices and credit notes leave no gap and rise with time": (
        "UPDATE number_series SET last = last + 1 WHERE code LIKE 'F-%'"
    ),
    "a credit note corrects its own order's invoice, and together they give back no more than it asked": (
        "UPDATE invoice SET net_minor = net_minor + 1, total_minor = total_minor + 1 WHERE kind = 'credit_note'"
    ),
    "what subscribers are owed, in millionths, is what the books say, in cents": (
        "UPDATE accrual SET payable_micro = payable_micro + 1 WHERE id = (SELECT max(id) FROM accrual)",
        "UPDATE licence_split SET shares_micro = shares_micro + 10000 WHERE state = 'held'",
    ),
    "a run's accruals add up to its amount": (
        "UPDATE accrual SET payable_micro = payable_micro + 1 WHERE id = (SELECT max(id) FROM accrual)"
    ),
    "a close has a row for each person that it says, and they add up to what it says": (
        "UPDATE closed_share SET payable_micro = payable_micro + 1 WHERE subscriber = 1",
        "DELETE FROM closed_share WHERE subscriber = 1",
    ),
    "what a close released is its shares, and its rounding is returned to the operator or carried": (
        "UPDATE share_close SET carry_micro = carry_micro + 1",
        "UPDATE share_close SET returned_minor = returned_minor + 1",
    ),
    "what a close was given ends with it": "UPDATE licence_split SET close = (SELECT id FROM share_close) WHERE state = 'held'",
    "a run's amount is that of the splits it held or ended": "UPDATE share_run SET amount_minor = amount_minor + 1",
    "a split is entered in the books for what it says, and ended there as it ended": (
        "UPDATE licence_split SET state = 'cancelled', close = NULL WHERE state = 'released'"
    ),
    "an entry of shares has its split": "DELETE FROM licence_split WHERE state = 'held'",
    "what subscribers keep though the money went back is the operator's loss, in proportion": (
        "UPDATE licence_split SET loss_minor = 5000 WHERE state = 'released'"
    ),
    "a split divides what its licence earned over the weight of its release": "UPDATE release SET total_weight = 7",
    "what a term promises in all covers its promises, each to a line that there is": (
        "UPDATE contributor_promise SET subscriber = 4711"
    ),
    "a dataset's time zone is one that there is": "UPDATE dataset SET time_zone = 'Europe/Lyon'",
    "a pool is divided by no fewer people than its release publishes": (
        "UPDATE release SET published_people = 9; UPDATE licence_split SET denominator = 8"
    ),
    "a licence honours no other terms than those in force when its price was signed": (
        "UPDATE licence_split SET terms = (SELECT array_agg(id) FROM contributor_term)"
    ),
    "no subscriber is owed less than nothing": (
        "UPDATE accrual SET payable_micro = payable_micro - 10000000000 WHERE payable_micro < 0"
    ),
    "a reversal moves exactly what it reverses, the other way": (
        "UPDATE posting SET amount_minor = amount_minor + 1 WHERE entry = (SELECT min(id) FROM journal_entry WHERE kind = 'reversal')"
    ),
    "a statement's lines make its closing balance": "UPDATE bank_statement SET closing_minor = closing_minor + 1",
    "each bank line is entered for its amount, and nothing else moves the bank's account but its opening": (
        "UPDATE posting SET amount_minor = amount_minor + 1 WHERE id = (SELECT max(id) FROM posting WHERE debit = '512100')"
    ),
    "what explains a bank line adds up to it": "UPDATE bank_match SET amount_minor = amount_minor - 1 WHERE undone_at IS NULL",
    "a match is entered for its amount, and reversed exactly when it is undone": (
        "UPDATE bank_match SET undone_at = NULL WHERE undone_at IS NOT NULL"
    ),
    "the suspense account holds the bank lines that nothing explains": (
        "UPDATE posting SET amount_minor = amount_minor + 1 WHERE id = (SELECT max(id) FROM posting WHERE credit = '471000')"
    ),
    "a write-off is entered for what two people agreed to": (
        "UPDATE proposal SET amount_minor = amount_minor + 1 WHERE document ->> 'why' = 'sale_without_charge'"
    ),
    "nothing was entered in a month after it closed, and months closed one after the other": (
        "UPDATE journal_entry SET at = '2020-01-15' WHERE kind = 'bank_line'"
    ),
    "a payout run is the sum of its batches, and those of their payouts": "UPDATE payout_batch SET amount_minor = amount_minor + 1",
    "a payout took its whole cents from its subscriber when its run was sent, and gave them back when it failed": (
        "UPDATE payout SET state = 'failed', reason = 'AC01', recredited_by = 1 WHERE state = 'settled'"
    ),
    "a pass that paid out or put back is that of its run or its payouts, and is entered in the books for it": (
        "DELETE FROM posting WHERE debit = '467200'"
    ),
    "what is kept of a run's payouts that ended or were checked is their sum": (
        "UPDATE payout_sum SET people = people + 1"
    ),
    "a payout run has ended exactly when none of its payouts is open": (
        "UPDATE payout SET state = 'open', ended_at = NULL WHERE state = 'settled'"
    ),
    "a payout is settled by a bank line or a transfer of its own, or its batch's": (
        "UPDATE bank_match SET undone_at = now() WHERE target_kind = 'payout_line'"
    ),
    "what is under way to subscribers is what was sent, less what came back, what bank and Stripe have paid and what was written off": (
        "UPDATE posting SET amount_minor = amount_minor + 1 WHERE debit = '467400'"
    ),
    "a dataset has spent what its releases and those of its variants did": "UPDATE dataset SET spent_micro = spent_micro + 1",
    "a sealed release has cells and the hashes of these and of its manifest, and nobody without a weight": "UPDATE release SET contributors = 0",
    "the cells of a sealed release's days are the published ones": (
        "UPDATE release SET published_by_day = ARRAY[row_count, 1]",
        "UPDATE release SET published_by_day = ARRAY[row_count], published_by_zone = ARRAY[row_count + 1]",
        "UPDATE release SET published_by_day = ARRAY[row_count, 0], published_by_zone = ARRAY[row_count, 0, 0]",
        "UPDATE release SET hours_by_day = '{24}', published_by_day = '{}', published_by_zone = '{}'",
        "UPDATE release SET published_by_day = '{}', published_by_zone = '{1}'",
    ),
    "a year of subscribers has lost what its releases are charged with": (
        "INSERT INTO privacy_year (year, rho_nano, budget_micro) VALUES (1999, 5, 1)"
    ),
    "a release that the gate let pass has a dossier that says so, and a blocked one has one that does not": (
        """INSERT INTO dossier (release, document, signature, passed, reasons, assessed_at)
           SELECT id, '', '', false, '{it leaks}', now() FROM release"""
    ),
    "only sealed releases have editions or are called back, and each level is coarser than the one before": (
        """INSERT INTO revocation (release, reason_fr, reason_en, revoked_by, revoked_at)
           SELECT id, 'x', 'x', 'x', now() FROM release;
           UPDATE release SET state = 'refused', sealed_at = NULL"""
    ),
    "a word on consent is about the notice of its own purpose, published by then": (
        "UPDATE notice SET published_at = now() + interval '1 day'"
    ),
    "a correction of an invoice is entered back and forth for what it says": (
        """INSERT INTO invoice_correction (id, invoice, purchase_order, net_minor, vat_minor, person, reason, at)
           SELECT gen_random_uuid(), number, purchase_order, net_minor, vat_minor, person.id, 'a new address', now()
           FROM invoice, person WHERE kind = 'invoice' LIMIT 1""",
        """WITH entry AS (INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
                          VALUES ('sale_reissued', 'x', now(), now(), 'EUR', '') RETURNING id)
           INSERT INTO posting (entry, debit, credit, amount_minor) SELECT id, '411000', '654000', 1 FROM entry""",
    ),
    "an order has at most one invoice that is not corrected": (
        """UPDATE invoice SET purchase_order = (SELECT purchase_order FROM licence WHERE id = '{held}')
           WHERE kind = 'invoice' AND number NOT IN (SELECT corrects FROM invoice WHERE corrects IS NOT NULL)"""
    ),
    "a subscription orders for its partner, what it came to, at no more than the locked price": (
        SUBSCRIBED.format(partner="partner", locked="1"),
        SUBSCRIBED.format(partner="(SELECT id FROM partner WHERE id <> sold.partner LIMIT 1)", locked="1000000000"),
    ),
    "the shares of a licence wait for a claim exactly while one is open": (
        CLAIMED.format(outcome="''", ended="NULL"),
        "UPDATE licence SET claimed_at = now(), contested_at = now() WHERE id = '{held}'",
    ),
    "a private price is its partner's, while it is offered, not under the least charge, and moves no public price and no share": (
        """WITH made AS (INSERT INTO private_offer (id, partner, dataset, basis_points, operator_basis_points, made_by, made_at, ends_at)
                         SELECT gen_random_uuid(), quote.partner, dataset, 9000, 3500, 'x', now() - interval '1 day', now() + interval '1 day'
                         FROM quote JOIN release ON release.id = quote.release LIMIT 1 RETURNING id)
           INSERT INTO private_quote (quote, private_offer) SELECT quote.id, made.id FROM made, quote LIMIT 1""",
        """WITH stated AS (SELECT jsonb_build_object('private_basis_points', 9000, 'price',
                                                     jsonb_build_object('law', jsonb_build_object('least_minor', 10^12))) AS document),
                signed AS (UPDATE quote SET document = convert_to(stated.document::text, 'UTF8')
                           FROM stated
                           WHERE quote.id = (SELECT id FROM quote EXCEPT SELECT quote FROM posted_sale LIMIT 1)
                           RETURNING quote.id, partner, release, quoted_at),
                made AS (INSERT INTO private_offer (id, partner, dataset, basis_points, operator_basis_points, made_by, made_at, ends_at)
                         SELECT gen_random_uuid(), partner, dataset, 9000, 3500, 'x', quoted_at, quoted_at + interval '1 day'
                         FROM signed JOIN release ON release.id = signed.release RETURNING id)
           INSERT INTO private_quote (quote, private_offer) SELECT signed.id, made.id FROM signed, made""",
        """WITH signed AS (UPDATE quote SET document = convert_to(
                               '{"private_basis_points": 9000, "price": {"amount_minor": 1, "law": {"least_minor": 0}}}', 'UTF8')
                           WHERE id = (SELECT quote FROM licence LIMIT 1)
                           RETURNING id, partner, release, quoted_at),
                made AS (INSERT INTO private_offer (id, partner, dataset, basis_points, operator_basis_points, made_by, made_at, ends_at)
                         SELECT gen_random_uuid(), partner, dataset, 9000, 3500, 'x', quoted_at, quoted_at + interval '1 day'
                         FROM signed JOIN release ON release.id = signed.release RETURNING id)
           INSERT INTO private_quote (quote, private_offer) SELECT signed.id, made.id FROM signed, made""",
    ),
    "a service credit is refunded once for what it says": (
        """WITH sold AS (SELECT purchase_order.id, partner, licence.release, licence.terms FROM purchase_order
                              JOIN licence ON licence.purchase_order = purchase_order.id WHERE state = 'paid' LIMIT 1),
                begun AS (INSERT INTO subscription (id, partner, dataset, locked, locked_minor, releases, after, began_at, promised_days,
                                                    promised_coverage_micro, terms)
                          SELECT gen_random_uuid(), partner, dataset, '', 1000000000, 1, now(), now(), 3, 1, sold.terms
                          FROM sold
                          JOIN release ON release.id = sold.release
                          RETURNING id)
           INSERT INTO service_credit (id, purchase_order, subscription, days_late, coverage_micro,
                                       promised_coverage_micro, basis_points, refund_minor, asked_at)
           SELECT gen_random_uuid(), sold.id, begun.id, 1, 0, 0, 500, 1, now() FROM sold, begun"""
    ),
    "a trial is of a release that was two half-lives old": (
        """INSERT INTO trial (id, partner, release, began_at, ends_at)
           SELECT gen_random_uuid(), partner.id, release.id, period_to, period_to + interval '14 days'
           FROM partner, release LIMIT 1"""
    ),
    "a claim that two people granted asked for its refund": CLAIMED.format(outcome="'refund'", ended="now()"),
    "a download is in a format that the registry lists": (
        """INSERT INTO download (id, entitlement, format, byte_count, at)
           SELECT gen_random_uuid(), id, 'abacus', 1, starts_at FROM entitlement WHERE licence = '{held}'"""
    ),
    "what bills, gifts and benefits still owe is what their accounts say, before payments to associations": (
        """WITH entry AS (INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
                          VALUES ('rewards_moved', 'x', now(), now(), 'EUR', '') RETURNING id)
           INSERT INTO posting (entry, debit, credit, amount_minor) SELECT id, '654000', '467600', 1 FROM entry""",
        REWARDED.format(more=0, state="open"),
    ),
    "a run of rewards is the sum of its people's, and took it from their balances": REWARDED.format(
        more=1, state="done"
    ),
    "a reward that billing refused was given back to its person": REWARDED.format(more=0, state="refused"),
    "an association is paid what its month’s gifts are": (
        """WITH listed AS (INSERT INTO association (code, name, pays_to, listed_at, listed_by)
                           VALUES ('x', 'X', 'FR', now(), gen_random_uuid()) RETURNING code)
           INSERT INTO gift_payment (id, month, association, name, iban, amount_minor, people, made_at, made_by)
           SELECT gen_random_uuid(), '2026-01-01', code, 'X', 'FR', 1, 1, now(), gen_random_uuid() FROM listed"""
    ),
    "a gift is to an association that was listed": (
        """INSERT INTO payout_choice (subscriber, threshold_minor, chosen_at, way, gift_to) VALUES (1, 0, now(), 'gift', 'x')
           ON CONFLICT (subscriber) DO UPDATE SET way = excluded.way, gift_to = excluded.gift_to"""
    ),
    "a document that is queued has its file in the outbox, and one that is deposited has a status that says so": (
        SENT.format(state="queued", kind="receipt"),
        SENT.format(state="deposited", kind="invoice"),
    ),
    "no more of a sale on credit is said to be paid than is, and each part that is said is in the outbox or a report": (
        "INSERT INTO settled_part (invoice, source, total_minor, vat_minor, settled_at) SELECT id, 1, 1, 0, now() FROM invoice"
    ),
    "a report adds up to the documents that it and the reports it replaces were made for": (
        """INSERT INTO e_report (id, kind, first_day, last_day, sequence, documents, net_minor, vat_minor, made_at)
           VALUES (gen_random_uuid(), 'payments', '2020-01-01', '2020-01-31', 1, 1, 0, 0, now())"""
    ),
    "of documents, what is said nowhere waits to be said": "DELETE FROM einvoice_unsaid",
    "what counts in a month is what was ordered and bid under its limit, and not given back": (
        """WITH held AS (INSERT INTO spending_limit (id, partner, order_minor, month_minor, datasets, purposes, ends_at, written_at)
                         SELECT gen_random_uuid(), id, 1, 1, '{}', '{}', now(), now() FROM partner LIMIT 1 RETURNING id)
           INSERT INTO spending_month (id, spending_limit, month, spent_minor, ceiling_minor)
           SELECT gen_random_uuid(), id, '2026-01-01', 1, 1 FROM held"""
    ),
    "every stated fact is in the log, or waits to be, or the log says the same of its subject already": (
        "INSERT INTO log_fact (kind, subject, statement, at) VALUES ('release_sealed', 'x', '{}', now())"
    ),
    "the public log has no gap": (
        """INSERT INTO log_entry (number, kind, subject, content)
           SELECT coalesce(max(number), 0) + 2, 'receipts', 'x', 'x' FROM log_entry"""
    ),
    "a line of the audit trail is still what the public log was given": (
        """WITH tree AS (
               INSERT INTO day_tree (kind, day, key, crown)
               VALUES ('audit_trail', '2020-01-01', decode(repeat('00', 32), 'hex'), decode(repeat('00', 8192), 'hex'))
               RETURNING id
           )
           INSERT INTO day_item (tree, kind, source, place, digest)
           SELECT id, 'audit_trail', '9', 0, decode(repeat('00', 32), 'hex') FROM tree"""
    ),
    "every day's tree has its entry in the log": (
        """INSERT INTO day_tree (kind, day, key, crown)
           VALUES ('receipts', '2020-01-01', decode(repeat('00', 32), 'hex'), decode(repeat('00', 8192), 'hex'))"""
    ),
}
