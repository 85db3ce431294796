"""Reading foreign JSON: every value is asked for by name, and every error says where in the body it stands."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Final

from carriers.contract import PayloadRejected

MAX_BODY: Final = 10 * 1024 * 1024  # bytes; the largest honest answer seen is a few hundred kB
MAX_TEXT: Final = 1000  # characters kept of one sentence of a carrier

_NOTHING_SAID: Final = frozenset({"", "null", "none", "string", "undefined", "n/a", "-"})
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^>]{0,200}>([^<]{0,500})</title>", re.IGNORECASE)
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>")
# NUL and other control characters are refused by PostgreSQL or spoil a page; lone surrogates are no UTF-8.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_SPACE: Final = re.compile(r"\s+")


class Node:
    """A value of a foreign document together with its path; a member that is missing is a Node of nothing."""

    __slots__ = ("path", "value")

    def __init__(self, value: object, path: str = "") -> None:
        self.value = value
        self.path = path

    def __bool__(self) -> bool:
        """False when the value is missing or null."""
        return self.value is not None

    def get(self, *names: str) -> Node:
        """The member of this object, one name per level; nothing when a level is missing or null."""
        node = self
        for name in names:
            node = node._member(name)
        return node

    def first(self, *names: str) -> Node:
        """The first of several members that says something: carriers rename fields between versions."""
        members = [self.get(name) for name in names]
        return next((member for member in members if member.value not in (None, "")), members[0])

    def items(self) -> Iterator[Node]:
        """The entries of this list; nothing gives none, and a single object counts as a list of one."""
        if isinstance(self.value, list):
            for index, entry in enumerate(self.value):
                yield Node(entry, f"{self.path}[{index}]")
        elif isinstance(self.value, dict):
            yield self
        elif self.value is not None:
            raise self.rejected("a list", self.value)

    def needed(self) -> Node:
        """This node, sure to be an object."""
        if not isinstance(self.value, dict):
            raise self.rejected("an object", self.value)
        return self

    def text(self) -> str | None:
        """A short text, such as a code or a number; JSON numbers become text, placeholders and blanks become None."""
        value = self.value
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.rejected("text", value)
        spoken = clean(str(value))
        return None if spoken.lower() in _NOTHING_SAID else spoken[:MAX_TEXT]

    def prose(self) -> str | None:
        """A sentence for people: as `text`, with HTML entities and tags resolved."""
        raw = self.text()
        if raw is None or not any(mark in raw for mark in "&<"):
            return raw
        return clean(_TAG.sub(" ", html.unescape(_TAG.sub(" ", raw)))) or None

    def integer(self) -> int | None:
        """A whole number, given as a number or as its digits; None when it is missing or a placeholder."""
        spoken = self.text()
        if spoken is None:
            return None
        try:
            return int(spoken)
        except ValueError:
            raise self.rejected("a whole number", self.value) from None

    def rejected(self, wanted: str, value: object) -> PayloadRejected:
        """The error that says what was expected here and what stood here instead."""
        return PayloadRejected(self.path, f"expected {wanted}, found {_kind(value)}")

    def _member(self, name: str) -> Node:
        path = f"{self.path}.{name}" if self.path else name
        if self.value is None:
            return Node(None, path)
        if not isinstance(self.value, dict):
            raise self.rejected("an object", self.value)
        return Node(self.value.get(name), path)


def read_json(body: bytes, content_type: str = "") -> Node:
    """Decode a body into its root Node. Raises PayloadRejected with what is wrong, whatever the bytes are."""
    if len(body) > MAX_BODY:
        raise PayloadRejected("", f"the body has {len(body)} bytes, more than the {MAX_BODY} that are read")
    text = decode(body, content_type).strip()
    if not text:
        raise PayloadRejected("", "the body is empty")
    if text.startswith("<"):
        raise PayloadRejected("", f"a page or XML instead of JSON{_page_title(text)}")
    try:
        return Node(json.loads(text, object_pairs_hook=_keep_what_speaks, parse_constant=_no_constant))
    except RecursionError:
        raise PayloadRejected("", "nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, a number with thousands of digits, NaN
        raise PayloadRejected("", f"not JSON: {_bounded(str(error))}") from None


def decode(body: bytes, content_type: str = "") -> str:
    """Bytes to text: by byte order mark, as UTF-8, as the header says, and at last as Windows-1252."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", errors="replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        declared = _CHARSET.search(content_type)
    try:
        return body.decode(declared.group(1) if declared else "cp1252", errors="replace")
    except (LookupError, UnicodeError):  # no such charset, or one that is none (undefined, idna)
        return body.decode("cp1252", errors="replace")


def clean(text: str) -> str:
    """Text that any store and any page can take: no control characters, no lone surrogates, single spaces."""
    return _SPACE.sub(" ", _UNSAFE.sub(" ", text)).strip()


def _keep_what_speaks(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The last of duplicate keys counts, as everywhere, but nothing does not erase something."""
    members: dict[str, object] = {}
    for name, value in pairs:
        if name not in members or value not in (None, "", []):
            members[name] = value
    return members


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _page_title(text: str) -> str:
    title = _TITLE.search(text[:20_000])
    return f" (titled {_bounded(clean(html.unescape(title.group(1))))!r})" if title else ""


def _bounded(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return kinds.get(type(value), "a number")
