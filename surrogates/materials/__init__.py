"""Crystals and compositions: graph-network ensembles, the hull, generators. Loads torch and pymatgen; nothing here is
imported by the engine."""
