"""Backups: one encrypted file with the database and every object at one instant, and what was ever restored from one."""
