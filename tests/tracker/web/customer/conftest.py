"""Customers' pages of a shop that has lived for a fortnight."""

from tests.support.seeded import seeded, shop_services, site

__all__ = ["seeded", "shop_services", "site"]
