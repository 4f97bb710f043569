"""Invoices travel: to French companies through an approved platform, their payments too; all other sales in reports."""
