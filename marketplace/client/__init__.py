"""The partners' client, which needs nothing else."""
