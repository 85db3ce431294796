"""Notifications: a notice becomes a message in the customer's language and reaches them once; knows sql and nobody else."""
