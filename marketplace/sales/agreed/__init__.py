"""Prices agreed with one partner: baskets and private offers."""
