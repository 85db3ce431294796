"""A typical body of each call that takes one, for the description."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tracker.actions.change_shipment import ShipmentChange
from tracker.actions.place_order import OrderPlaced
from tracker.actions.register import Registration
from tracker.web.api import incidents, keys, reports, returns

_ITEM: Final = {
    "sku": "K-12",
    "name": "Kettle",
    "quantity": 1,
    "value": {"amount": "59.90", "currency": "EUR"},
    "hs_code": "8516.79",
    "origin_country": "CN",
}
_ORDER: Final = {
    "reference": "A-1001",
    "placed_at": "2026-11-20T18:30:00Z",
    "value": {"amount": "59.90", "currency": "EUR"},
}

BODIES: Final[dict[type[msgspec.Struct], dict[str, Any]]] = {
    Registration: {
        "carrier": "correos",
        "tracking_number": "PQ4F6C0712345610128010A",
        "order": _ORDER,
        "customer": {"name": "Ana Ruiz", "email": "ana@example.com", "phone": "+34612345678", "language": "es"},
        "destination": {"country": "ES", "postcode": "08001", "city": "Barcelona", "street": "Carrer Nou 1"},
        "promised_at": "2026-11-27",
        "items": [_ITEM],
    },
    ShipmentChange: {
        "promised_at": "2026-11-30",
        "destination": {"postcode": "08002", "street": "Carrer Nou 2"},
        "customer": {"phone": "+34699999999"},
    },
    OrderPlaced: _ORDER | {"destination_country": "CH", "items": [_ITEM], "customs": {"incoterm": "DAP"}},
    reports.ReportInput: {
        "shipment": "shp_1",
        "category": "damage",
        "cause": "damaged_in_transit",
        "reported_by": "customer",
        "note": "The box is torn.",
    },
    keys.KeyInput: {"label": "checkout", "scopes": ["read", "shipments:write"], "expires_at": "2027-11-22T00:00:00Z"},
    returns.Settlement: {"settled_as": "replaced", "replacement": "shp_2"},
    incidents.Remark: {"note": "Called them; they call back."},
    incidents.Wait: {"on": "carrier", "until": "2026-11-24T12:00:00+01:00", "note": "Enquiry 4711 is open."},
    incidents.Merger: {"into": "inc_2"},
    incidents.Assignment: {"owner": "stf_12", "note": "You know the broker."},
    incidents.Rating: {"severity": "high"},
    incidents.Plan: {"owner": "shop", "until": "2026-11-24T12:00:00+01:00"},
    incidents.Resolution: {"reason": "reshipped", "note": "New parcel on its way."},
}
