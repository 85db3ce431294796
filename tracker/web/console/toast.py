"""What was just done, said once on the page that follows, with the way back where there is one."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec
from aiohttp import web

from tracker.vault import same
from tracker.web.console import door
from tracker.web.services import SERVICES

_LIFE: Final = 60  # seconds; the page that follows comes at once, or nobody waits for it any more
_MOST: Final = 500  # characters
_NAME: Final = "said"


class Undo(msgspec.Struct, frozen=True):
    """The form that takes back what was done: its address below /console, and its fields beside `csrf`."""

    path: str
    fields: dict[str, str] = {}


class Toast(msgspec.Struct, frozen=True):
    """One sentence in the reader's language, and its way back."""

    text: str
    undo: Undo | None = None


_toast = msgspec.json.Decoder(Toast).decode


def flash(request: web.Request, answer: web.StreamResponse, text: str, undo: Undo | None = None) -> None:
    """The next page that this session opens says `text`, and offers `undo` as a button. `answer` is the 303 to that page."""
    written = base64.urlsafe_b64encode(msgspec.json.encode(Toast(text[:_MOST], undo))).decode()
    answer.set_cookie(
        door.cookie_name(request, _NAME),
        f"{written}.{_seal(request, written)}",
        secure=door.is_secure(request),
        httponly=True,
        samesite="Strict",
        max_age=_LIFE,
    )


def said(request: web.Request) -> Toast | None:
    """What this page is to say. Only what we wrote for this very session counts."""
    written, _, seal = request.cookies.get(door.cookie_name(request, _NAME), "").partition(".")
    if not written or not same(seal.encode(), _seal(request, written).encode()):
        return None
    try:
        return _toast(base64.urlsafe_b64decode(written))
    except (msgspec.MsgspecError, binascii.Error):
        return None


def forget(request: web.Request, answer: web.StreamResponse) -> None:
    """It has been said."""
    name = door.cookie_name(request, _NAME)
    if name in request.cookies:
        answer.del_cookie(name, secure=door.is_secure(request), httponly=True, samesite="Strict")


def _seal(request: web.Request, written: str) -> str:
    return request.app[SERVICES].house.vault.mac("said", f"{door.session_of(request)} {written}")
