"""A campaign played through before anything moves: how long it takes, who is busy, what a fault would do."""
