"""A simulated laboratory for solid-state synthesis, after the A-Lab (Szymanski et al., Nature 624, 86, 2023)."""
