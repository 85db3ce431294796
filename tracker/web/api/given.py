"""What a caller gives: JSON bodies and query parameters, read into structs, made safe to store."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from tracker.web.api import faults
from tracker.web.errors import Problem, unreadable, wrong_form, wrong_parameters

Given = TypeVar("Given", bound=msgspec.Struct)

MOST_DIGITS: Final = 18  # of an id: what a bigint surely holds
# NUL is refused by PostgreSQL; other controls and changes of direction spoil pages and headers of mails.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_SPACE: Final = re.compile(r"\s+")
_PROSE: Final = frozenset({"note"})  # members whose line breaks are kept


async def read_body(request: web.Request, kind: type[Given]) -> Given:
    """The JSON body as `kind`; none at all stands for an empty object. Raises Problem."""
    raw = await request.read()
    if raw and request.content_type != "application/json":
        raise Problem(415, "wrong_content_type", "Send application/json.")
    try:
        document = _cleaned(msgspec.json.decode(raw or b"{}"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error) from None
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise wrong_form(error, faults.find(document, kind)) from None


def read_query(request: web.Request, kind: type[Given]) -> Given:
    """The parameters of the query as `kind`. Raises Problem naming each parameter that is wrong."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    given: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in fields:
            wrong[_one_line(name)[:100]] = f"no such parameter; there are: {', '.join(fields)}"
        elif name in given or name in wrong:
            wrong[name] = "given twice"
        else:
            try:
                given[name] = msgspec.convert(_one_line(value), fields[name].type, strict=False)
            except msgspec.ValidationError as error:
                wrong[name] = str(error)
    wrong |= {name: "is missing" for name, one in fields.items() if one.required and name not in {*given, *wrong}}
    if wrong:
        raise wrong_parameters(dict(list(wrong.items())[: faults.MOST]))
    return kind(**given)


def number_of(prefix: str, text: str) -> int | None:
    """The number in an id such as shp_12; None where it is no such id."""
    head, _, digits = text.partition("_")
    if head != prefix or not (digits.isascii() and digits.isdecimal()) or len(digits) > MOST_DIGITS:
        return None
    return int(digits)


def prose(text: str) -> str:
    """Words of people with their line breaks, made such that any store and any page can take them."""
    return _UNSAFE.sub("", text)


def _cleaned(document: Any) -> Any:
    """The document with its texts made such that any store and any page can take them."""
    match document:
        case str():
            return _one_line(document)
        case list():
            return [_cleaned(entry) for entry in document]
        case dict():
            return {
                _one_line(name): prose(value) if name in _PROSE and isinstance(value, str) else _cleaned(value)
                for name, value in document.items()
            }
    return document


def _one_line(text: str) -> str:
    return _SPACE.sub(" ", _UNSAFE.sub("", text)).strip()
