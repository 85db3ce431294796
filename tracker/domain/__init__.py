"""What we believe and decide: pure functions over values, without I/O, clock, logging or settings."""
