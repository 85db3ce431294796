"""Asking DHL: one GET per number, with the account's key in a header."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from carriers.contract import Account, Answer, Client, Clock, Http, Lookup

# Texts are part of the identity of DHL's events, so the language never changes.
_LANGUAGE: Final = "en"


class DhlUnifiedClient:
    """One DHL account."""

    def __init__(self, account: Account, http: Http) -> None:
        self._url = f"{account.base_url.rstrip('/')}/track/shipments"
        self._key = account.values["api_key"]
        self._http = http

    async def fetch(self, lookups: Sequence[Lookup]) -> Answer:
        """Ask about one shipment. Raises CarrierFailure."""
        (lookup,) = lookups
        params = {"trackingNumber": lookup.tracking_number, "language": _LANGUAGE}
        if lookup.destination_postcode:
            params["recipientPostalCode"] = lookup.destination_postcode  # parcel-de says more to who knows it
        return await self._http.request("GET", self._url, params=params, headers={"DHL-API-Key": self._key})


def connect(account: Account, http: Http, clock: Clock) -> Client:  # noqa: ARG001 - contract.Connect: a key needs no clock
    """The client of one account."""
    return DhlUnifiedClient(account, http)
