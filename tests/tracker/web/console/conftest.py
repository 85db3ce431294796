"""The board over a shop that has lived for a fortnight."""

from tests.support.seeded import board, seeded, shop_services, site

__all__ = ["board", "seeded", "shop_services", "site"]
