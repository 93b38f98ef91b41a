"""What the materials surrogate costs and how well it predicts, on real data."""
