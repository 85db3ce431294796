"""The delivery incident tracker: the service that composes carriers, notifications and sql."""
