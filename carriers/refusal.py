"""Telling apart the ways in which a carrier says no, by HTTP status and by the words of its error."""

from __future__ import annotations

import re
from typing import Final

from carriers.contract import Answer, CarrierFailure, FailureKind
from carriers.place import fold_name

_K = FailureKind
_DETAIL: Final = 300  # characters kept of a carrier's error text

_EXPIRED: Final = re.compile(
    r"\b(token|session|jwt|credential)s?\b.*\b(expired|expir\w*|caducad\w|no longer valid)\b|\bexpired\b.*\btoken\b"
)
_MALFORMED_NUMBER: Final = re.compile(
    r"\b(invalid|malformed|not valid|wrong|incorrect|unsupported|no valido|no es valido|incorrecto|erroneo|formato)\b"
    r".*\b(inquiry|tracking|shipment|parcel|number|numero|envio|codigo|sendungsnummer|piece)\b"
    r"|\b(number|numero|codigo( de envio)?|envio|sendungsnummer)\b.*\b(invalid|not valid|malformed|no valido|no es valido|incorrecto|erroneo|ungultig)\b"
)
_UNKNOWN_NUMBER: Final = re.compile(
    r"\b(not found|no (result|results|shipment|information|record|data|tracking information)|could not be found|unknown|"
    r"no hay informacion|sin trazabilidad|sin informacion|no (existe|encontrad\w|se ha encontrado|localizad\w)|keine (sendung|daten))\b"
)
_THROTTLED: Final = re.compile(
    r"\b(too many (requests|calls|connections)|rate limit\w*|quota|throttl\w*|spike arrest|limit exceeded|demasiadas)\b"
)
_CREDENTIALS: Final = re.compile(
    r"\b(unauthori[sz]ed|not authori[sz]ed|authentication|api ?key|access token|credential\w*|client ?id|forbidden|access denied|"
    r"no autorizado|autenticacion|credenciales)\b"
)
_DOWN: Final = re.compile(
    r"\b(internal (server )?error|temporar\w+ (unavailable|not available)|service unavailable|try again later|unavailable|timeout|timed out|"
    r"maintenance|error interno|error tecnico|no disponible|mantenimiento)\b"
)


def failure(
    kind: FailureKind, detail: str, answer: Answer | None = None, *, retryable: bool | None = None
) -> CarrierFailure:
    """A CarrierFailure with the answer's Retry-After; whether asking again helps follows from the kind, unless given."""
    helps = kind not in (_K.AUTH, _K.BAD_REQUEST) if retryable is None else retryable
    return CarrierFailure(kind, detail[:_DETAIL], retry_after=answer.retry_after if answer else None, retryable=helps)


def by_words(words: str, answer: Answer | None = None) -> CarrierFailure | None:
    """The failure that an error text describes, in English, Spanish or German; None when it says nothing known."""
    folded = fold_name(words)
    if _THROTTLED.search(folded):
        return failure(_K.RATE_LIMITED, words, answer)
    if _EXPIRED.search(folded):
        return failure(_K.AUTH, words, answer, retryable=True)
    if _MALFORMED_NUMBER.search(folded):
        return failure(_K.NOT_FOUND, words, answer, retryable=False)
    if _UNKNOWN_NUMBER.search(folded):
        return failure(_K.NOT_FOUND, words, answer)
    if _CREDENTIALS.search(folded):
        return failure(_K.AUTH, words, answer)
    return failure(_K.CARRIER_DOWN, words, answer) if _DOWN.search(folded) else None


def by_status(answer: Answer, words: str = "") -> CarrierFailure | None:
    """The failure that the status means, its kind refined by the error's words; None for 2xx with a body."""
    status, detail = answer.status, words or f"HTTP {answer.status}"
    if status == 204:
        return failure(_K.NOT_FOUND, "HTTP 204, no content", answer)
    if 200 <= status < 300:
        return None
    said = by_words(words, answer) if words else None
    if status == 429:
        return failure(_K.RATE_LIMITED, detail, answer)
    if status in (401, 403):
        return said if said and said.kind in (_K.AUTH, _K.RATE_LIMITED) else failure(_K.AUTH, detail, answer)
    if status in (404, 410):
        return said if said and said.kind is _K.NOT_FOUND else failure(_K.NOT_FOUND, detail, answer)
    if status == 408 or status >= 500 or status < 400:
        return said if said and said.kind in (_K.AUTH, _K.RATE_LIMITED) else failure(_K.CARRIER_DOWN, detail, answer)
    return said or failure(_K.BAD_REQUEST, detail, answer)


def is_page(answer: Answer) -> bool:
    """True when the body is a page for people: a wall, a proxy or a maintenance notice."""
    return answer.body.lstrip()[:1] == b"<"
