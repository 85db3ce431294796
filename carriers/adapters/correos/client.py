"""Asking Correos: the API where the account has credentials, else the service behind its public page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from carriers.card import load_card
from carriers.contract import Account, Answer, Client, Clock, Http, Lookup
from carriers.token import Fields, TokenCache, client_credentials

_PUBLIC: Final = load_card(Path(__file__).parent).base_url
_API: Final = "https://api1.correos.es"  # another host than the public service
_SCOPE: Final = "TPB"


class PublicClient:
    """The public page's service; with `user` and `password` the variant of it that asks for them."""

    def __init__(self, account: Account, http: Http) -> None:
        user, password = account.values.get("user"), account.values.get("password")
        self._basic = (user, password) if user and password else None
        service = "eventos_envio_servicio_auth" if self._basic else "eventos_envio_servicio"
        self._url = f"{account.base_url.rstrip('/')}/canonico/{service}"
        self._http = http

    async def fetch(self, lookups: Sequence[Lookup]) -> Answer:
        """Ask about one shipment, for its whole history in Spanish. Raises CarrierFailure."""
        (lookup,) = lookups
        return await self._http.request(
            "GET",
            f"{self._url}/{quote(lookup.tracking_number, safe='')}",
            params={"codIdioma": "ES", "indUltEvento": "N"},
            basic=self._basic,
        )


class ApiClient:
    """The tracking API: a token from Correos's identity service, and the gateway's credentials in headers."""

    def __init__(self, account: Account, http: Http, clock: Clock) -> None:
        base_url = _API if account.base_url == _PUBLIC else account.base_url
        self._url = f"{base_url.rstrip('/')}/support/trackpub/api/v2/search"
        self._http = http
        identity = account.values["client_id"], account.values["client_secret"]
        gateway = account.values.get("gateway_client_id"), account.values.get("gateway_client_secret")
        self._gateway = {"client_id": gateway[0] or identity[0], "client_secret": gateway[1] or identity[1]}
        auth_url = f"{(account.auth_url or account.base_url).rstrip('/')}/Api/Authorize/Token"
        grant = client_credentials(
            http, auth_url, identity, scope=_SCOPE, in_body=True, fields=Fields("idToken", "expiresIn", _seconds)
        )
        self._tokens = TokenCache(grant, clock)

    async def fetch(self, lookups: Sequence[Lookup]) -> Answer:
        """Ask about one shipment, in Spanish. Raises CarrierFailure."""
        (lookup,) = lookups
        url = f"{self._url}/{quote(lookup.tracking_number, safe='')}"

        async def send(token: str) -> Answer:
            headers = {"Authorization": f"Bearer {token}", **self._gateway}
            return await self._http.request("GET", url, params={"languageCode": "ES"}, headers=headers)

        return await self._tokens.call(send)


def _seconds(life: int) -> float:
    """The documentation speaks of minutes (60), answers were also seen with seconds (3600)."""
    return life * 60.0 if life < 300 else float(life)


def connect(account: Account, http: Http, clock: Clock) -> Client:
    """The client of one account: what its credentials open."""
    return ApiClient(account, http, clock) if account.values.get("client_id") else PublicClient(account, http)
