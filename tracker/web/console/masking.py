"""Personal data for people who may not see it: enough to recognise, too little to use; at one place, for every page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tracker.domain.staff import masked_email, masked_name, masked_phone
from tracker.store.board import MessageLine
from tracker.store.way import Message, ParcelFacts

Mask = Callable[[str], str]


def _masked_address(address: str) -> str:
    return masked_email(address) if "@" in address else masked_phone(address)


# The fields of rows that hold personal data. A row of a new kind is placed here; a test walks every page as a viewer.
_FIELDS: Final[Mapping[type[msgspec.Struct], Mapping[str, Mask]]] = {
    ParcelFacts: {"name": masked_name, "email": masked_email, "phone": masked_phone},
    MessageLine: {"name": masked_name, "address": _masked_address},
    Message: {"name": masked_name, "email": masked_email, "phone": masked_phone},
}


def masked(value: Any) -> Any:
    """The same with the personal data in it masked, however deep it stands; what holds none is handed back as it is."""
    if isinstance(value, msgspec.Struct):
        return _row(value)
    if isinstance(value, list):
        return [masked(one) for one in value]
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(masked(one) for one in value)
    if type(value) is dict:
        return {name: masked(one) for name, one in value.items()}
    return value


def _row(row: msgspec.Struct) -> msgspec.Struct:
    masks = _FIELDS.get(type(row), {})
    changed = {}
    for name in row.__struct_fields__:
        held = getattr(row, name)
        shown = masks[name](held) if name in masks and held and held.strip() else masked(held)
        if shown is not held:
            changed[name] = shown
    return msgspec.structs.replace(row, **changed) if changed else row
