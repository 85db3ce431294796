"""What each carrier says at each moment, read from words/<carrier>.toml; and what the moments mean in our words."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final, Generic, TypeVar

import msgspec

from carriers.vocabulary import Category, Milestone

CARRIERS: Final = ("dhl_unified", "ups", "correos")


class Moment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that can happen to a parcel, in the words of the house. `problem` is category and cause."""

    milestone: Milestone
    detail: str
    problem: tuple[Category, str] | None = None
    routine: bool = False


class DhlSaying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`status` is the coarse statusCode; `label` the display status where it differs from it."""

    description: str
    status: str = "transit"
    label: str | None = None
    remark: str | None = None
    next_steps: str | None = None


class UpsSaying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    code: str
    status_code: str
    description: str


class CorreosSaying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    phase: str
    summary: str
    text: str


Saying = TypeVar("Saying", DhlSaying, UpsSaying, CorreosSaying)


class Words(msgspec.Struct, Generic[Saying], frozen=True, forbid_unknown_fields=True):
    """A carrier's vocabulary. `estimates`: it names delivery dates; `seconds`: its times are that exact."""

    estimates: bool
    seconds: bool
    says: dict[str, Saying]


@cache
def moments() -> dict[str, Moment]:
    return msgspec.toml.decode((files(__package__) / "moments.toml").read_bytes(), type=dict[str, Moment])


@cache
def dhl_unified() -> Words[DhlSaying]:
    return msgspec.toml.decode(_words("dhl_unified"), type=Words[DhlSaying])


@cache
def ups() -> Words[UpsSaying]:
    return msgspec.toml.decode(_words("ups"), type=Words[UpsSaying])


@cache
def correos() -> Words[CorreosSaying]:
    return msgspec.toml.decode(_words("correos"), type=Words[CorreosSaying])


def words_of(carrier: str) -> Words[DhlSaying] | Words[UpsSaying] | Words[CorreosSaying]:
    """Raises KeyError for a carrier that the sandbox does not play."""
    match carrier:
        case "dhl_unified":
            return dhl_unified()
        case "ups":
            return ups()
        case "correos":
            return correos()
    raise KeyError(carrier)


def _words(carrier: str) -> bytes:
    return (files(__package__) / "words" / f"{carrier}.toml").read_bytes()
