"""The first split of errors: our mistake is any other exception; here stand theirs, and the rules that say no."""

from __future__ import annotations


class RuleRefused(Exception):
    """A rule says no: the caller asked for something that this state does not allow."""


class NotFound(Exception):
    """There is no such thing, or not for this shop."""
