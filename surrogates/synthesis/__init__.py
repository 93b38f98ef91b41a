"""Which precursors to fire, and how hot, to make a phase: learning from pairwise reactions, after ARROWS3."""
