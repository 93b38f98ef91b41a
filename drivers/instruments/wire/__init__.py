"""What went over the wire between a driver and its device: recorded, and served back with no device there."""
