"""Zones that companies are interested in: written, clicked or uploaded; kept; and what a release says of them before it is bought."""
