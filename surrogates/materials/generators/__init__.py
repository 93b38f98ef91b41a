"""Generators of candidate crystals. Nothing is loaded here: `catalogue` finds one by name."""
