"""Auctions: each a pure function from bids to an award with a reason for every bidder.

`sealed` and `ascending` sell licences, `bundles` sells combinations, `reverse` buys contributions, `digital` sells what
can be copied for nothing, `reserve` says below what it is better not to sell, `transcript` lets anybody check.
"""
