"""The business in figures: what is sold, to whom and how, what is owed and by when, and the entries behind each number."""
