"""What a person lets be counted: from which sources, where, when and for which buyers, as switches that builds honour."""
