"""One candidate of two parts: a material, of which an ensemble of networks predicts the properties, and a process."""
