"""Revenue shares: splitting each sale among the people in it, what each has earned, and the pages of shares and consent."""
