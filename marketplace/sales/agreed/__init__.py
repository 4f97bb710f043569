"""Prices agreed with one partner: baskets, private offers, and their audit on the partner's menu."""
