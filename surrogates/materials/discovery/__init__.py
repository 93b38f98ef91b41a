"""The planner of a campaign whose goal is the convex hull: which crystal's energy to ask for next, and why."""
