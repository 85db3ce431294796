"""Every wrong field of a body at once: what msgspec refused is looked at again with a JSON Schema of the same struct."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
from email_validator import EmailNotValidError, validate_email
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from tracker.domain.errors import Wrong
from tracker.web.errors import pointer_to

MOST: Final = 50  # wrong fields that are named; whoever has more of them has another problem
_MOST_NODES: Final = 3_000  # values of a body that is looked at again: it is some thirty times slower than msgspec
_TYPES: Final = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_FORMATS: Final = {
    "date-time": "a time with its offset, such as 2026-11-22T09:00:00Z",
    "email": "an email address, such as ana@example.com",
}
_RIGHT: Final = {
    "format": "must be {0}",
    "pattern": "must have the form {0}",
    "minLength": "must have {0} characters at the least",
    "maxLength": "must have {0} characters at the most",
    "minItems": "must have {0} entries at the least",
    "maxItems": "must have {0} entries at the most",
    "minimum": "must be {0} at the least",
    "maximum": "must be {0} at the most",
}
_CHECKER: Final = FormatChecker(formats=())
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


def _is_time(value: object) -> bool:
    return not isinstance(value, str) or bool(msgspec.convert(value, _Moment))


def _is_email(value: object) -> bool:
    return not isinstance(value, str) or bool(validate_email(value, check_deliverability=False, test_environment=True))


_CHECKER.checks("date-time", raises=msgspec.ValidationError)(_is_time)
_CHECKER.checks("email", raises=EmailNotValidError)(_is_email)


def find(document: Any, kind: type[msgspec.Struct]) -> list[Wrong]:
    """What is wrong with a document that is to be a `kind`: up to MOST fields, ordered by where they stand.

    Empty where the schema finds nothing, or the document is too large to be looked at a second time.
    """
    if _is_large(document):
        return []
    errors = _validator(kind).iter_errors(document)
    found = {one.pointer: one for one in islice(_told(errors), MOST)}
    return [found[pointer] for pointer in sorted(found, key=_place)]


@cache
def _validator(kind: type[msgspec.Struct]) -> Draft202012Validator:
    return Draft202012Validator(msgspec.json.schema(kind), format_checker=_CHECKER)


def _is_large(document: Any) -> bool:
    waiting, seen = [document], 0
    while waiting:
        one = waiting.pop()
        seen += 1
        if seen + len(waiting) > _MOST_NODES:
            return True
        if isinstance(one, dict | list):
            waiting.extend(one.values() if isinstance(one, dict) else one)
    return False


def _place(pointer: str) -> list[tuple[int, int, str]]:
    """Entries of lists in the order of their numbers, members by their names."""
    steps = pointer.split("/")[1:]
    return [(0, int(step), "") if step.isascii() and step.isdecimal() else (1, 0, step) for step in steps]


def _told(errors: Iterator[ValidationError]) -> Iterator[Wrong]:
    for error in errors:
        if error.validator == "anyOf":
            yield from _of_choice(error)
        else:
            yield from _of_one(error)


def _of_choice(error: ValidationError) -> Iterator[Wrong]:
    """Nothing of a choice fits: what is wrong with the one that was meant, by the type of what was given."""
    branches: dict[object, list[ValidationError]] = {}
    for one in error.context or ():
        branches.setdefault(one.schema_path[0], []).append(one)
    meant = [found for found in branches.values() if not any(_is_of_other_type(one, error) for one in found)]
    if meant:
        yield from _told(iter(meant[0]))
    else:
        types = [one for found in branches.values() for one in found if one.validator == "type"]
        right = " or ".join(dict.fromkeys(_TYPES[str(one.validator_value)] for one in types))
        yield Wrong(pointer_to(list(error.absolute_path)), f"must be {right}")


def _is_of_other_type(one: ValidationError, choice: ValidationError) -> bool:
    return one.validator == "type" and list(one.absolute_path) == list(choice.absolute_path)


def _of_one(error: ValidationError) -> Iterator[Wrong]:
    steps = list(error.absolute_path)
    match error.validator:
        case "required":  # one error each, which names its member in its message alone
            for name in error.validator_value:
                if name not in error.instance:
                    yield Wrong(pointer_to([*steps, name]), "is missing")
        case "additionalProperties":
            known = ", ".join(error.schema.get("properties", ()))
            for name in error.instance:
                if name not in error.schema.get("properties", ()):
                    yield Wrong(pointer_to([*steps, name[:100]]), f"no such field; there are: {known or 'none'}")
        case _:
            yield Wrong(pointer_to(steps), _right(str(error.validator), error.validator_value, error.schema))


def _right(rule: str, value: Any, schema: Mapping[str, Any]) -> str:
    """What would be right."""
    if rule == "type":
        return f"must be {_TYPES[value]}"
    if rule == "enum":
        return f"must be one of {', '.join(map(str, value))}"
    if rule == "pattern" and "description" in schema:
        return f"must be {schema['description']}"
    return _RIGHT.get(rule, "breaks the rule " + rule + ": {0}").format(_FORMATS.get(str(value), value))
