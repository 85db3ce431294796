"""A world of pretend carriers that speaks the real wire formats, for the demo, for tests and for development."""
