"""What tests of the whole share.

A district's builders make its states, `tests/<district>/builders`, and use those of the districts below. What needs all of them
lies here. A builder has one name, and no other has it; where it works row by row, `write_…`, a test can also leave it in
a state that the product would not:

| name | what it makes | where |
|---|---|---|
| `make_partner`, `make_staff`, `add_person` | a partner that signed up; staff, as an actor; anybody | people |
| `Browser`, `visiting` | a browser, of whom the test says | people |
| `explain_purpose`, `declare`, `make_subscribers` | a purpose, a dataset, lines with or without consent | consent, datasets |
| `open_catalogue`, `seal_week`, `make_vetted_partner` | datasets on offer, a release of a week, a partner that may buy | catalogue |
| `open_shop`, `make_buyer`, `make_quote`, `make_sale` | a dataset on offer, and the steps of buying as a browser takes them | sales/shop |
| `make_bidder`, `open_auction`, `seal`, `open_reverse_auction` | bidders, auctions, bids | sales/auctions |
| `save`, `ask_payment`, `make_paid`, `with_limit` | kept cards, payments, a limit of credit | money |
| `customers` | partners that bought a release | delivery |
| `write_lines`, `seal_weights`, `write_sale` | lines, a release with its manifest, a licence sold | subscribers/sales |
| `earn`, `paying`, `draft_and_send` | people with money that is theirs, and a run that pays them | subscribers/payees |
| `write_shop`, `write_order`, `write_paid_order`, `write_sold_order` | a release on offer, and orders of it | finance/sales |
| `Statement`, `bank_says`, `banked` | what a bank states | finance/statements |
| `Year`, `play_year` | a year in which everything happens | site/played_year, site/months |
"""
