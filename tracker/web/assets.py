"""Style sheets, scripts and icons: read once, served from memory, cached by browsers for as long as they stay the same."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web
from markupsafe import Markup

FOLDER: Final = Path(__file__).with_name("static")
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
_SYMBOL: Final = re.compile(r'<symbol id="i-([a-z0-9-]+)".*?</symbol>')
_ROUTE: Final = "static"


class Asset(msgspec.Struct, frozen=True):
    """One file as it is served; `version` changes with its content."""

    body: bytes
    content_type: str
    version: str


def add_routes(app: web.Application) -> None:
    """Serve the files; the faces ask for this each on its own, and once is enough."""
    if _ROUTE not in app.router.named_resources():
        app.router.add_get("/static/{name:.+}", _serve, name=_ROUTE)


def address(name: str) -> str:
    """Where a file is found, with its version, so that it may be cached for ever. Raises KeyError for an unknown one."""
    return f"/static/{name}?v={_assets()[name].version}"


@cache
def sprite(names: tuple[str, ...] | None = None) -> Markup:
    """The icons as SVG symbols to stand in a page, all or these; the drawings are ours to trust."""
    wanted = _symbols() if names is None else {name: _symbols()[name] for name in names}
    return Markup(f'<svg class="sprite" aria-hidden="true" width="0" height="0">{"".join(wanted.values())}</svg>')  # noqa: S704


def icon(name: str) -> Markup:
    """A drawing from the page's sprite; it stands beside a word, so it says nothing itself. Raises KeyError."""
    _symbols()[name]
    return Markup(f'<svg class="icon" aria-hidden="true"><use href="#i-{name}"/></svg>')  # noqa: S704


async def _serve(request: web.Request) -> web.Response:
    asset = _assets().get(request.match_info["name"])
    if asset is None:
        raise web.HTTPNotFound
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=asset.body, content_type=asset.content_type, charset="utf-8", headers=headers)


@cache
def _assets() -> dict[str, Asset]:
    return {file.relative_to(FOLDER).as_posix(): _asset(file) for file in FOLDER.rglob("*") if file.suffix in _TYPES}


def _asset(file: Path) -> Asset:
    body = file.read_bytes()
    return Asset(body, _TYPES[file.suffix], hashlib.sha256(body).hexdigest()[:12])


@cache
def _symbols() -> dict[str, str]:
    text = (FOLDER / "icons.svg").read_text(encoding="utf-8")
    return {found[1]: found[0] for found in _SYMBOL.finditer(text)}
