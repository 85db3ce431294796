"""Text that PostgreSQL can hold: foreign words may carry characters that it refuses."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec

_REFUSED: Final = re.compile("[\x00\ud800-\udfff]")  # NUL, and halves of characters

Struct = TypeVar("Struct", bound=msgspec.Struct)


def storable(value: Struct) -> Struct:
    """The value with U+FFFD in place of every character that PostgreSQL refuses; mostly the value itself."""
    try:
        is_clean = b"\\u0000" not in msgspec.json.encode(value)
    except UnicodeEncodeError:
        is_clean = False
    return value if is_clean else _mended(value)


def _mended(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        fields = {name: _mended(getattr(value, name)) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **fields)
    if isinstance(value, tuple):
        return tuple(_mended(one) for one in value)
    if type(value) is str:  # words of the vocabulary are strings too, and of another type
        return _REFUSED.sub("\ufffd", value)
    return value
