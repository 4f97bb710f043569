"""What tests of the whole share.

A builder has one name per idea, whichever slice's helper it is in; each slice builds what is above it row by row, so that
a test can also leave it in a state that the product would not:

| name | what it makes | where |
|---|---|---|
| `make_partner` | a partner that signed up, with one person | identity/site |
| `make_buyer` | a partner that has been vetted | purchases/shop, catalogue/shop |
| `make_bidder` | a buyer with an API key and a saved card | auctions |
| `make_staff` | someone of the staff, as an actor | identity/site |
| `make_subscribers`, `make_subscriber` | lines, with or without consent | datasets, auctions |
| `open_shop` | a dataset on offer, and what a sale needs besides | catalogue, purchases, earnings, finance |
| `make_offer` | a dataset with sealed releases and its offer | auctions |
| `make_release` | a sealed release | catalogue/shop, earnings/sales |
| `make_quote`, `make_order`, `make_sale` | a quote; an order not yet paid; a licence, paid and settled | purchases, finance, earnings, payments |
| `open_auction`, `open_call` | an auction, a reverse auction open for bids | auctions |
"""
