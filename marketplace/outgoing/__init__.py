"""What leaves for partners' own hosts: which may be reached, by which address, when it is tried again, when it ends."""
