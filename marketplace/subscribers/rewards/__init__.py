"""Rewards: credit on the phone bill, benefits of the operator's list and gifts, bought with closed money alone."""
