"""The master key: given, or made at the first start and kept beside the data; and the vault that it opens."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from tracker.actions import data_key
from tracker.actions.data_key import OtherMasterKey
from tracker.clock import token_bytes
from tracker.settings import Settings, SettingsWrong
from tracker.store.db import Database
from tracker.vault import MasterKey, Vault


async def open_vault(settings: Settings, db: Database) -> Vault:
    """The vault over the database's data key. Raises SettingsWrong where the master key does not open it."""
    async with db.connection() as conn:
        try:
            return await data_key.open_vault(conn, master_key(settings))
        except OtherMasterKey as other:
            raise SettingsWrong([wrong_key(settings, other)]) from other


def wrong_key(settings: Settings, other: OtherMasterKey) -> str:
    """Which setting holds a key that does not open this database, and what to do."""
    name = "secret_key" if settings.secret_key is not None else str(_key_file(settings))
    return (
        f"{name}: not the key of this database: {other}. Give the key that was in use before; to replace it by another"
        " one: `tracker secrets rewrap`"
    )


def master_key(settings: Settings) -> MasterKey:
    """The secret key. With an embedded database it is made at the first start and kept beside the data."""
    if settings.secret_key is None and not _key_file(settings).is_file():
        _make_key(_key_file(settings))
    known = known_master_key(settings)
    assert known is not None
    return known


def known_master_key(settings: Settings) -> MasterKey | None:
    """The secret key, None where none is given and none was made yet. Raises SettingsWrong for a file that is damaged."""
    if settings.secret_key is not None:
        return MasterKey(settings.secret_key.encode())
    path = _key_file(settings)
    if not path.is_file():
        return None
    try:
        return MasterKey(path.read_text(encoding="ascii").strip().encode())
    except ValueError as damaged:
        raise SettingsWrong([f"{path}: {damaged}"]) from damaged


def _key_file(settings: Settings) -> Path:
    return settings.data_directory / "secret_key"


def _make_key(path: Path) -> None:
    """Written aside and linked into place: a key is whole or not there, and the first of two that are made stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix="secret_key.")  # readable by us alone
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token_bytes(32).hex())
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        Path(aside).unlink()
