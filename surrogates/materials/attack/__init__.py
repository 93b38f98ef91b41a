"""Adversarial attacks on ensembles of interatomic potentials (Schwalbe-Koda, Tan and Gomez-Bombarelli, Nat. Commun. 12,
5104, 2021): along the gradient to geometries that are likely and where the members' forces differ."""
