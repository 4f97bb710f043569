"""What a release would be like before a budget is spent on it, with the price it would have today."""
