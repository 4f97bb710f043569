"""Deletion after a recall: partners confirm that they deleted their copies, are reminded, and staff see who has not."""
