"""Baskets: several releases ordered at once, by the saved method, the dearest at their price and those after them for less."""
