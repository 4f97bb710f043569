"""Rules that clerks make from a bank line: lines like it are booked so from then on, once a second person agrees."""
