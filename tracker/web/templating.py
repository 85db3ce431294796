"""Pages out of templates: one environment per language, loaded once, and the headers that every page carries."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tracker.web import assets
from tracker.web.moments import Time
from tracker.web.words import Language, language

FOLDER: Final = Path(__file__).with_name("pages")

EVERY_PAGE: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_NOTHING_FROM_ELSEWHERE: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " frame-ancestors 'none'"
)
CUSTOMER_CSP: Final = f"{_NOTHING_FROM_ELSEWHERE}; form-action 'none'"
CONSOLE_CSP: Final = (
    f"{_NOTHING_FROM_ELSEWHERE}; form-action 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'"
)


def page(spoken: Language, template: str, values: Mapping[str, Any], *, csp: str, status: int = 200) -> web.Response:
    """A template as an HTML answer. A value that the template needs and does not get is an error, never a gap."""
    html = _environment(spoken.code).get_template(template).render(values)
    headers = EVERY_PAGE | {"Content-Security-Policy": csp, "Content-Language": spoken.code}
    return web.Response(text=html, status=status, content_type="text/html", headers=headers)


@cache
def _environment(code: str) -> Environment:
    spoken = language(code)
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(spoken.translations, newstyle=True)  # type: ignore[attr-defined]
    environment.globals.update(
        asset=assets.address,
        icon=assets.icon,
        language=spoken,
        sprite=assets.sprite,
        time=Time(spoken),
        word=spoken.word,
    )
    return environment
