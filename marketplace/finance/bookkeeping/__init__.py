"""The journal and its closes, exports for accountants, the business in figures."""
