"""What the clock does; each job is a few lines that call an action."""
