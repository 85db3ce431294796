"""One folder per carrier, found by walking (carriers/registry.py)."""
