"""The log: ordered events, the only truth, and the tables whose constraints guard it."""
