"""The one reader of environment and file: frozen Settings, with all mistakes reported at once.

Every setting stands in `tracker.toml` under its path and in the environment under `TRACKER_` and the path in capitals
(`[shop] name` is `TRACKER_SHOP_NAME`); the environment wins. A secret may also be given as the name of a file that
holds it: `smtp_url_file`, `TRACKER_SMTP_URL_FILE`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tracker import plausible

_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_PREFIX: Final = "TRACKER_"
_SECRETS: Final = frozenset(
    {"database_url", "database_owner_url", "secret_key", "old_secret_key", "smtp_url", "auth_token"}
)
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - to be told from the others, not to be listened on
_SCHEMA: Final = r"^(?!pg_|information_schema\Z|public\Z)[a-z][a-z0-9_]{0,40}\Z"  # none of PostgreSQL's or everybody's
_OUTSIDE: Final = frozenset({"TRACKER_CONFIG"})  # read before the settings: where the file is


class SettingsWrong(Exception):
    """Everything that is wrong with the configuration, each with the name of the setting."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class ShopSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The shop in whose name the tracker speaks."""

    code: Annotated[str, Meta(pattern="^[a-z0-9_-]{1,40}\\Z")] = "default"
    name: Annotated[str, Meta(min_length=1, max_length=60)] = "My shop"
    country: str = "ES"
    language: str = "es"
    time_zone: str = "Europe/Madrid"
    sender_email: str = "pedidos@shop.example"
    reply_email: str = "atencion@shop.example"
    phone: str | None = None
    website: str | None = None


class TwilioSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The SMS account; without `account_sid` no SMS are sent."""

    account_sid: str | None = None
    auth_token: str | None = None
    sender: str | None = None
    base_url: str = "https://api.twilio.com"

    def __repr__(self) -> str:
        return "TwilioSettings(...)"


class CarrierSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One account with one carrier; `values` are what its card asks for."""

    carrier: str
    account: str
    values: dict[str, str]

    def __repr__(self) -> str:
        return f"CarrierSettings({self.carrier}/{self.account})"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How this process runs. What the shop may change while it runs are business settings, in the database."""

    data_directory: Path = Path("data")
    database_url: str | None = None
    database_owner_url: str | None = None
    database_schema: Annotated[str, Meta(pattern=_SCHEMA)] = "tracker"
    secret_key: str | None = None
    old_secret_key: str | None = None  # for `tracker secrets rewrap` alone
    listen: Annotated[str, Meta(pattern=r"^[^:/]+:[0-9]{1,5}\Z")] = "127.0.0.1:8080"
    public_url: str = "http://127.0.0.1:8080"
    trusted_proxies: str = ""  # addresses and networks, with commas between them
    api_calls_per_minute: Annotated[int, Meta(ge=1, le=1_000_000)] = 600  # of one key, in one process
    smtp_url: str | None = None
    smtp_connections: Annotated[int, Meta(ge=1, le=64)] = 4
    log_format: Annotated[str, Meta(pattern="^(json|console)$")] = "json"
    log_level: Annotated[str, Meta(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    operators_email: str | None = None  # who is told when the service does not keep up
    operators_webhook: str | None = None
    allow_private_addresses: bool = False  # whether the console may name machines of private networks
    tick_seconds: Annotated[float, Meta(ge=0.05, le=60)] = 1.0
    drain_seconds: Annotated[float, Meta(ge=0, le=60)] = 2.0
    shop: ShopSettings = ShopSettings()
    shop_given: frozenset[str] = frozenset()  # what of the shop is said here, and so not in the console
    twilio: TwilioSettings = TwilioSettings()
    carriers: tuple[CarrierSettings, ...] = ()
    secret_files: tuple[Path, ...] = ()  # where secrets were read from; no setting of its own

    def __repr__(self) -> str:
        return "Settings(...)"

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The proxies whose word counts on where a request comes from."""
        return tuple(ip_network(one.strip()) for one in self.trusted_proxies.split(",") if one.strip())


_SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {"shop": ShopSettings, "twilio": TwilioSettings}


def load(
    carriers: Mapping[str, frozenset[str]],
    *,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Read file and environment. `carriers` are the known carriers with the settings of each.

    Raises SettingsWrong naming every mistake.
    """
    given = dict(os.environ if environment is None else environment)
    mistakes: list[str] = []
    named = file or (Path(given["TRACKER_CONFIG"]) if "TRACKER_CONFIG" in given else None)
    table = _read_file(named or Path("tracker.toml"), mistakes, required=named is not None)
    _lay_over(table, given, carriers, mistakes)
    secret_files = tuple(_secret_files(table))
    accounts = tuple(_accounts(table.pop("carriers", {}), carriers, mistakes))
    shop_given = frozenset(table["shop"]) if isinstance(table.get("shop"), dict) else frozenset()
    sections = {name: _struct(kind, table.pop(name, {}), f"{name}.", mistakes) for name, kind in _SECTIONS.items()}
    settings = _struct(
        Settings,
        table,
        "",
        mistakes,
        ready={"carriers": accounts, "shop_given": shop_given, "secret_files": secret_files, **sections},
    )
    if isinstance(settings, Settings):
        if "public_url" not in table:  # links lead to where we listen, until somebody says how we are reached
            host = "127.0.0.1" if settings.host in _EVERYWHERE else settings.host
            settings = msgspec.structs.replace(settings, public_url=f"http://{host}:{settings.port}")
        mistakes += _contradictions(settings)
    if mistakes:
        raise SettingsWrong(mistakes)
    assert isinstance(settings, Settings)  # without mistakes it was made
    return settings


def known_variables(carriers: Mapping[str, frozenset[str]]) -> set[str]:
    """Every environment variable that means something."""
    names = set(_OUTSIDE)
    for path in _paths(carriers):
        variable = _PREFIX + "_".join(path).upper()
        names.add(variable)
        if path[-1] in _SECRETS or path[0] == "carriers":
            names.add(f"{variable}_FILE")
    return names


def _paths(carriers: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, ...]]:
    for field in msgspec.structs.fields(Settings):
        if field.name in _SECTIONS:
            for inner in msgspec.structs.fields(_SECTIONS[field.name]):
                yield (field.name, inner.name)
        elif field.name not in ("carriers", "shop_given", "secret_files"):
            yield (field.name,)
    for code, names in carriers.items():
        for name in names:
            yield ("carriers", code, name)


def _read_file(path: Path, mistakes: list[str], *, required: bool) -> dict[str, Any]:
    if not path.is_file():
        if required:
            mistakes.append(f"{path}: there is no such file; it was named with --config or TRACKER_CONFIG")
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as mistake:  # ValueError also: numbers with thousands of digits
        mistakes.append(f"{path}: {mistake}")
        return {}


def _lay_over(
    table: dict[str, Any], given: Mapping[str, str], carriers: Mapping[str, frozenset[str]], mistakes: list[str]
) -> None:
    """Put the environment over the file."""
    by_name = {_PREFIX + "_".join(path).upper(): path for path in _paths(carriers)}
    for name in sorted(given):
        if not name.startswith(_PREFIX) or name in _OUTSIDE:
            continue
        path = by_name.get(name)
        as_file = by_name.get(name.removesuffix("_FILE")) if name.endswith("_FILE") else None
        if path is None and as_file is None:
            mistakes.append(f"{name}: no such setting")
        elif path is not None:
            _put(table, path, given[name], mistakes)
        elif as_file is not None:
            _put(table, (*as_file[:-1], f"{as_file[-1]}_file"), given[name], mistakes)


def _put(table: dict[str, Any], path: tuple[str, ...], value: str, mistakes: list[str]) -> None:
    for step in path[:-1]:
        inner = table.setdefault(step, {})
        if not isinstance(inner, dict):
            mistakes.append(f"{'.'.join(path)}: {step} must be a section")
            return
        table = inner
    table[path[-1]] = value


def _struct(
    kind: type[msgspec.Struct],
    table: Any,
    prefix: str,
    mistakes: list[str],
    *,
    ready: Mapping[str, Any] | None = None,
) -> msgspec.Struct:
    """One section, field by field, so that every mistake is found and not only the first."""
    if not isinstance(table, dict):
        mistakes.append(f"{prefix.rstrip('.')}: must be a section")
        return kind()
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    values = dict(ready or {})
    for name, value in _from_files(table, prefix, mistakes).items():
        if name not in fields or name in values:
            mistakes.append(f"{prefix}{name}: no such setting")
            continue
        try:
            values[name] = msgspec.convert(value, fields[name].type, strict=False, dec_hook=_path)
        except (msgspec.ValidationError, UnicodeEncodeError) as mistake:  # the latter: bytes that are no text
            mistakes.append(f"{prefix}{name}: {mistake}")
    return kind(**values)


def _path(kind: type, value: object) -> Path:
    """The one type of ours that msgspec does not know."""
    if kind is not Path or not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be a path")
    return Path(value)


def _from_files(table: Mapping[str, Any], prefix: str, mistakes: list[str]) -> dict[str, Any]:
    """A section with its `<secret>_file` settings read."""
    values = dict(table)
    for name in [name for name in table if name.endswith("_file") and name.removesuffix("_file") in _SECRETS]:
        secret = name.removesuffix("_file")
        path = Path(str(values.pop(name)))
        if secret in table:
            mistakes.append(f"{prefix}{secret}: given twice, as itself and as {name}")
        try:
            values[secret] = path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as mistake:
            mistakes.append(f"{prefix}{name}: {mistake}")
    return values


def _secret_files(table: Mapping[str, Any]) -> Iterator[Path]:
    """Every file that is named in place of a secret, in any section."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _secret_files(value)
        elif name.endswith("_file") and isinstance(value, str):
            yield Path(value)


def _accounts(table: Any, carriers: Mapping[str, frozenset[str]], mistakes: list[str]) -> Iterator[CarrierSettings]:
    """`[carriers.ups]` is the account "default"; `[carriers.ups.accounts.north]` a further one."""
    if not isinstance(table, dict):
        mistakes.append("carriers: must be a section")
        return
    for code, section in table.items():
        if code not in carriers or not isinstance(section, dict):
            mistakes.append(f"carriers.{code}: no such carrier; known: {', '.join(sorted(carriers))}")
            continue
        further = section.get("accounts", {})
        if not isinstance(further, dict) or not all(isinstance(one, dict) for one in further.values()):
            mistakes.append(f"carriers.{code}.accounts: must hold a section per account")
            continue
        own = {name: value for name, value in section.items() if name != "accounts"}
        for account, values in {**({"default": own} if own else {}), **further}.items():
            prefix = f"carriers.{code}." if account == "default" else f"carriers.{code}.accounts.{account}."
            yield CarrierSettings(
                carrier=code, account=account, values=_carrier_values(values, carriers[code], prefix, mistakes)
            )


def _carrier_values(table: Any, names: frozenset[str], prefix: str, mistakes: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in (table if isinstance(table, dict) else {}).items():
        plain = name.removesuffix("_file")
        if name in names:
            values[name] = str(value)
        elif name.endswith("_file") and plain in names:
            try:
                values[plain] = Path(str(value)).read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as mistake:
                mistakes.append(f"{prefix}{name}: {mistake}")
        else:
            mistakes.append(f"{prefix}{name}: no such setting; known: {', '.join(sorted(names))}")
    return values


def _contradictions(settings: Settings) -> Iterator[str]:
    """Settings that are well formed each, and wrong together or in their meaning."""
    for name, url, schemes in (
        ("database_url", settings.database_url, ("postgresql", "postgres")),
        ("database_owner_url", settings.database_owner_url, ("postgresql", "postgres")),
        ("smtp_url", settings.smtp_url, ("smtp", "smtps")),
        ("public_url", settings.public_url, ("http", "https")),
        ("twilio.base_url", settings.twilio.base_url, ("http", "https")),
    ):
        wrong = plausible.address(url, schemes) if url is not None else None
        if wrong is not None:
            yield f"{name}: {wrong}"
    if settings.database_url is not None and settings.secret_key is None:
        yield (
            "secret_key: needed with a database of your own, so that every process has the same;"
            " make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"
        )
    if settings.database_owner_url is not None and settings.database_url is None:
        yield "database_owner_url: names the owner of database_url, which is not given"
    if settings.port > 65535:
        yield "listen: a port is at most 65535"
    if (wrong := plausible.networks(settings.trusted_proxies)) is not None:
        yield f"trusted_proxies: {wrong}"
    yield from shop_mistakes(settings.shop)
    yield from _carrier_mistakes(settings.carriers)
    for name, key in (("secret_key", settings.secret_key), ("old_secret_key", settings.old_secret_key)):
        if key is not None and len(key) < 32:
            yield f"{name}: at least 32 characters"
    yield from _twilio_mistakes(settings.twilio)


def _twilio_mistakes(twilio: TwilioSettings) -> Iterator[str]:
    for name in ("account_sid", "auth_token", "sender"):
        if (wrong := plausible.credential(getattr(twilio, name))) is not None:
            yield f"twilio.{name}: {wrong}"
    if twilio.account_sid is not None and (twilio.auth_token is None or twilio.sender is None):
        yield "twilio: account_sid needs auth_token and sender beside it"


def shop_mistakes(shop: ShopSettings) -> Iterator[str]:
    """What customers would read or answer to, and could not."""
    complaints = {
        "name": plausible.line(shop.name),
        "country": plausible.country(shop.country),
        "language": plausible.language(shop.language),
        "time_zone": plausible.time_zone(shop.time_zone),
        "sender_email": plausible.email(shop.sender_email),
        "reply_email": plausible.email(shop.reply_email),
        "phone": None if shop.phone is None else plausible.phone(shop.phone, shop.country),
        "website": None if shop.website is None else plausible.website(shop.website),
    }
    for name, complaint in complaints.items():
        if complaint is not None:
            yield f"shop.{name}: {complaint}"


def _carrier_mistakes(accounts: tuple[CarrierSettings, ...]) -> Iterator[str]:
    for one in accounts:
        for name, value in one.values.items():
            wrong = plausible.address(value) if name in ("base_url", "auth_url") else plausible.credential(value)
            if wrong is not None:
                yield f"carriers.{one.carrier}.{name}: {wrong}"
            elif name == "calls_per_day" and not value.isdecimal():
                yield f"carriers.{one.carrier}.calls_per_day: a whole number"
            elif name == "spacing" and not (_SECONDS.fullmatch(value) and float(value) <= 3600):
                yield f"carriers.{one.carrier}.spacing: seconds, such as 0.5, and an hour at most"
