"""What is for sale and at what price."""
