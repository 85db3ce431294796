"""Asking UPS: one GET per number, with a bearer token that the account's credentials buy."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final
from urllib.parse import quote

from carriers.contract import Account, Answer, Client, Clock, Http, Lookup
from carriers.token import TokenCache, client_credentials

_PARAMS: Final = {
    "locale": "en_US",
    "returnSignature": "false",  # a picture of a person's signature is nothing we keep
    "returnMilestones": "false",
    "returnPOD": "false",
}


class UpsClient:
    """One UPS account."""

    def __init__(self, account: Account, http: Http, clock: Clock) -> None:
        self._url = f"{account.base_url.rstrip('/')}/api/track/v1/details"
        self._http = http
        self._clock = clock
        auth_url = f"{(account.auth_url or account.base_url).rstrip('/')}/security/v1/oauth/token"
        credentials = account.values["client_id"], account.values["client_secret"]
        self._tokens = TokenCache(client_credentials(http, auth_url, credentials), clock)

    async def fetch(self, lookups: Sequence[Lookup]) -> Answer:
        """Ask about one shipment. Raises CarrierFailure."""
        (lookup,) = lookups
        url = f"{self._url}/{quote(lookup.tracking_number, safe='')}"
        transaction = self._transaction(lookup.tracking_number)

        async def send(token: str) -> Answer:
            headers = {"Authorization": f"Bearer {token}", "transId": transaction, "transactionSrc": "tracker"}
            return await self._http.request("GET", url, params=_PARAMS, headers=headers)

        return await self._tokens.call(send)

    def _transaction(self, number: str) -> str:
        """UPS wants every request named; the name means nothing to us."""
        return blake2b(f"{number} {self._clock.monotonic()}".encode(), digest_size=16).hexdigest()


def connect(account: Account, http: Http, clock: Clock) -> Client:
    """The client of one account."""
    return UpsClient(account, http, clock)
