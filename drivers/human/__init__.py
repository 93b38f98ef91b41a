"""People as devices: a task, a form, an answer that is checked before it counts."""
