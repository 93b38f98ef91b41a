"""A thin-film laboratory after Ada: slides, their thickness and defects, imaged and mapped."""
