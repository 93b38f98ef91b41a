"""The beliefs: what may be the truth, given the results. Standardised units inside, larger is better."""
