"""The pages that show several districts to a buyer: what is for sale, a dataset, orders with what they open."""
