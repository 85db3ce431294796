import re
import textwrap
import tomllib
from pathlib import Path

from tracker import bootstrap
from tracker.settings import load

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_configuration_that_it_shows_is_taken(tmp_path, monkeypatch):
    shown = textwrap.dedent(re.findall(r"^ *```toml\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)[0])
    monkeypatch.chdir(tmp_path)
    Path("tracker.toml").write_text(shown)
    for name, content in (("secret_key", "k" * 64), ("smtp_url", "smtp://user:password@relay.example:587")):
        Path(name).write_text(content)
    for name in re.findall(r'_file = "(\w+)"', shown):
        Path(name).touch()
    settings = load(bootstrap.carrier_settings(), environment={})
    assert settings.shop.name == tomllib.loads(shown)["shop"]["name"]
    assert settings.carriers


def test_it_shows_the_two_commands():
    assert {"make demo", "make test"} <= set(re.findall(r"^(make \w+)", README, re.MULTILINE))
