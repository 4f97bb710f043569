"""Who was interested in what is for sale: looks counted by day without anybody's trace, and why a price was not paid."""
