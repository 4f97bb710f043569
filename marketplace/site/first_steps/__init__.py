"""The first page of staff: what is still missing before the first sale, in order, and what waits for them."""
