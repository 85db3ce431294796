"""Measurements: each prints a figure of ours beside a limit measured in the same run; nothing is asserted."""
