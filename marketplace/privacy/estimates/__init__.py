"""From released counts of consenters to estimates of everybody there, each with a low and a high.

Nothing here reads a true count: counts, strata and mix are noisy already, and all else is public or a constant of the
operator's registry. So an estimate takes nothing from anyone's privacy beyond what the counts took.
"""
