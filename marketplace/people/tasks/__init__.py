"""What waits for staff: a kind an entry, which every page, file and home that speaks of waiting work reads."""
