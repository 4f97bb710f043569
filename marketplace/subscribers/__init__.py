"""What people in the data earn and may ask for: earnings, payouts, rewards, their data, their operator."""
