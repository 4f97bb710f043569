"""The one-command default: a seeded world, and local counterparts of what others run."""
