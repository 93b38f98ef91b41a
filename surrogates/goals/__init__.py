"""Several objectives as one sought thing: desirability, hierarchy, scalarisation, Pareto front."""
