"""`tracker setup`: the questions of the first run on the command line, or answered by a file."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from getpass import getpass
from pathlib import Path
from typing import Any, Final

from tracker import bootstrap, premises
from tracker.actions import accounts, set_up
from tracker.actions.accounts import MAIL, SMS, Field, Key, Kind
from tracker.actions.audit import AT_THE_MACHINE
from tracker.actions.sign_in import Visit
from tracker.actions.trial import Came
from tracker.bootstrap import Runtime
from tracker.clock import Chance, RealClock
from tracker.commands import any_database
from tracker.domain.errors import FieldsWrong, Wrong
from tracker.settings import Settings
from tracker.store import shops

_HERE: Final = Visit("this machine", "command line")
_CAME: Final[Mapping[Came, str]] = {
    Came.GOOD: "it works",
    Came.REFUSED: "the other side knows this account not, or refuses it",
    Came.AWAY: "nobody answered",
    Came.BUSY: "the account has no calls left now",
    Came.ODD: "there was an answer that cannot be read",
    Came.MISSING: "there is no account to try out",
}


class Answers:
    """Where answers come from: a file, else whoever sits here, else what stands already."""

    def __init__(self, given: Mapping[str, Any], *, asking: bool) -> None:
        self._given, self._asking = given, asking

    def section(self, *path: str, question: str) -> bool:
        """Whether this part is to be set up at all."""
        if self._asking and self._found(path) is None:
            return input(f"{question} [y/N] ").strip().lower() in ("y", "yes", "s", "si", "sí")
        return self._found(path) is not None

    def one(self, *path: str, stands: str = "", secret: bool = False) -> str:
        """One answer."""
        found = self._found(path)
        if found is not None or not self._asking:
            return stands if found is None else str(found)
        label = f"{' '.join(path).replace('_', ' ')}{f' [{stands}]' if stands and not secret else ''}: "
        return (getpass(label) if secret else input(label).strip()) or stands

    def again(self, mistake: FieldsWrong) -> None:
        """Whoever sits here is told what is wrong, and asked once more. Raises the mistake where nobody does."""
        if not self._asking:
            raise mistake
        print("\n".join(f"  {wrong.pointer.removeprefix('/')}: {wrong.detail}" for wrong in mistake.fields))
        self._given = {}

    def _found(self, path: tuple[str, ...]) -> Any:
        found: Any = self._given
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        return found


async def setup(settings: Settings, given: argparse.Namespace) -> int:
    """Ask what the set-up in the browser asks; it may be run again at any time."""
    answers = Answers(_read(given.answers), asking=not given.yes)
    async with any_database(settings) as url:
        await premises.bring_up_to_date(settings, url)
        async with bootstrap.open_runtime(settings, url, RealClock(), Chance(), connections=4) as runtime:
            await _shop(runtime, answers)
            reader = await _first_admin(runtime, answers)
            good = [await _account(runtime, answers, key, reader) for key in _every(runtime)]
    print(f"What is left, and going live: {settings.public_url.rstrip('/')}/console/set-up")
    return 0 if all(good) else 1


async def _shop(runtime: Runtime, answers: Answers) -> None:
    if not answers.section("shop", question="Tell of the shop?"):
        return
    fixed = runtime.settings.shop_given
    async with runtime.house.db.connection() as conn:
        stands = await shops.details(conn, runtime.shop_id)

    async def tell() -> None:
        told = {
            name: answers.one("shop", name, stands=stands[name] or "") for name in shops.FIELDS if name not in fixed
        }
        await set_up.tell_of_shop(runtime.house, AT_THE_MACHINE, runtime.shop_id, told, fixed)

    await _until_right(answers, tell)


async def _first_admin(runtime: Runtime, answers: Answers) -> str:
    """Their address; the shop's own where there is an admin already."""
    house = runtime.house
    async with house.db.connection() as conn:
        is_open, shop = await set_up.is_open(conn), await shops.details(conn, runtime.shop_id)
    if not is_open:
        return shop["reply_email"] or ""
    made = ""

    async def make() -> None:
        nonlocal made
        name, email = answers.one("admin", "name"), answers.one("admin", "email")
        password = answers.one("admin", "password", secret=True)
        await set_up.begin(house, runtime.settings.shop.code, set_up.token(house), email, name, password, _HERE)
        made = email

    await _until_right(answers, make)
    print(f"{made} is the first admin; nothing is sent until they go live")
    return made


async def _account(runtime: Runtime, answers: Answers, key: Key, reader: str) -> bool:
    """Whether it works, or was not asked for."""
    path = ("carriers", key.code) if key.kind is Kind.CARRIER else (key.kind.value,)
    name = key.code if key.kind is Kind.CARRIER else key.kind.value
    if not answers.section(*path, question=f"Set up {name}?"):
        return True

    async def keep() -> None:
        asked_for = accounts.fields(key, runtime.house.cards)
        values = {field.name: _answer(answers, path, field) for field in asked_for}
        await accounts.keep(runtime.house, AT_THE_MACHINE, runtime.shop_id, key, values)

    await _until_right(answers, keep)
    await runtime.lines.refresh()
    trial = await runtime.trials().run(runtime.house, AT_THE_MACHINE, runtime.shop_id, key, reader)
    print(f"{name}: {_CAME[trial.came]}{f' ({trial.detail})' if trial.detail else ''}")
    return trial.came is Came.GOOD


def _answer(answers: Answers, path: tuple[str, ...], field: Field) -> str:
    usual = {"port": "587", "security": "starttls"}.get(field.name, "")
    return answers.one(*path, field.name, stands=usual, secret=field.is_secret)


async def _until_right(answers: Answers, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await step()
        except FieldsWrong as mistake:
            answers.again(mistake)
        else:
            return


def _every(runtime: Runtime) -> list[Key]:
    carriers = [Key(Kind.CARRIER, code) for code in sorted(runtime.house.cards)]
    return [*carriers, Key(Kind.MAIL, MAIL), Key(Kind.SMS, SMS)]


def _read(file: Path | None) -> Mapping[str, Any]:
    """The file of answers. Raises FieldsWrong where it cannot be read."""
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as mistake:
        raise FieldsWrong([Wrong("/answers", f"{file}: {mistake}")]) from mistake
