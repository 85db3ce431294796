import re
import textwrap
import tomllib
from itertools import zip_longest
from pathlib import Path

from carriers import registry
from carriers.sandbox.server import Accounts
from tracker import bootstrap, plausible
from tracker.arguments import SANDBOX_ADDRESS
from tracker.lines import missing_settings
from tracker.settings import Settings, ShopSettings, load

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_configuration_that_it_shows_is_taken(tmp_path, monkeypatch):
    shown = shown_configurations()["tracker.toml"]
    monkeypatch.chdir(tmp_path)
    Path("tracker.toml").write_text(shown)
    for name, content in (("secret_key", "k" * 64), ("smtp_url", "smtp://user:password@relay.example:587")):
        Path(name).write_text(content)
    for name in re.findall(r'_file = "(\w+)"', shown):
        Path(name).touch()
    settings = load(bootstrap.carrier_settings(), environment={})
    assert settings.shop.name == tomllib.loads(shown)["shop"]["name"]
    assert settings.carriers


def shown_configurations() -> dict[str, str]:
    """The tables of settings that it shows, by the file that they stand in."""
    blocks = re.findall(r"^ *```toml\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)
    return dict(zip(("try.toml", "tracker.toml"), map(textwrap.dedent, blocks), strict=True))


def test_what_is_tried_first_reaches_the_sandbox_and_nobody_else(tmp_path: Path):
    file = tmp_path / "try.toml"
    file.write_text(shown_configurations()["try.toml"])
    settings = load(bootstrap.carrier_settings(), environment={}, file=file)
    assert f"tracker sandbox                            # DHL, UPS and Correos on {SANDBOX_ADDRESS}" in README
    (account,) = settings.carriers
    assert account.values["base_url"] == f"http://{SANDBOX_ADDRESS}/{account.carrier}"
    assert account.values["api_key"] == Accounts().dhl_api_key
    assert missing_settings(account, registry.card(account.carrier)) == []
    assert f"-l {str(settings.smtp_url).removeprefix('smtp://')}" in README
    assert f"curl {settings.listen}/api/v1/shipments" in README
    assert not plausible.is_example(settings.shop.sender_email)


def test_every_setting_in_its_table_exists_and_is_what_it_says_unless_given():
    rows = re.findall(r"^\| (`[a-z].*?) \| (.*?) ?\| ", README, re.MULTILINE)
    given = {
        name: default
        for names, defaults in rows
        for name, default in zip_longest(*(re.findall(r"`(.*?)`", cell) for cell in (names, defaults)))
        if not name.startswith("carriers.")
    }
    assert len(given) >= 25
    for name, default in given.items():
        section, _, field = name.rpartition(".")
        value = getattr(getattr(Settings(), section) if section else Settings(), field)  # fails where there is none
        if default is not None:
            assert str(value) == default, name
    assert {f"shop.{field}" for field in ShopSettings.__struct_fields__} - set(given) == {"shop.code"}


def test_it_shows_the_two_commands():
    assert {"make demo", "make test"} <= set(re.findall(r"^(make \w+)", README, re.MULTILINE))
