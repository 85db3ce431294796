"""A shop's life against the sandbox world: the demo, and the same story in simulated time."""
