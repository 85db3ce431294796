"""Correos, the Spanish post, through its tracking API or its public page's service."""
