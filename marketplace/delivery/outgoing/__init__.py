"""What leaves for partners' own hosts: signed notifications, files put into buckets, how each ends."""
