"""What tests of the whole share."""
