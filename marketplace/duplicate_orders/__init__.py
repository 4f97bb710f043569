"""Duplicate orders: one release ordered twice before either was paid; what is paid second closes or goes back."""
