import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from carriers import registry

ROOT = Path(__file__).parents[2]


def forget() -> None:
    for function in (registry.codes, registry.card, registry.adapter, registry.code_table):
        function.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of carriers, whose contents nobody remembers after the test."""
    monkeypatch.setattr(registry, "_FOLDER", tmp_path)
    forget()
    yield tmp_path
    forget()


def test_the_carriers_are_the_folders() -> None:
    assert registry.codes() == ("correos", "dhl_unified", "ups")
    assert set(registry.adapters()) == set(registry.codes())


def test_an_unknown_carrier_is_a_key_error() -> None:
    for look_up in (registry.card, registry.adapter, registry.code_table):
        with pytest.raises(KeyError):
            look_up("acme")


def test_listing_and_reading_a_card_loads_no_adapter() -> None:
    script = "import sys; from carriers import registry; registry.matrix(); print('carriers.adapters.ups.parse' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_incomplete_folder_is_named_with_what_it_lacks(folder: Path) -> None:
    (folder / "acme").mkdir()
    (folder / "acme" / "parse.py").touch()
    (folder / "zeta").mkdir()
    with pytest.raises(registry.AdapterIncomplete) as caught:
        registry.adapters()
    assert "carriers/adapters/acme lacks card.toml, codes.toml, client.py, README.md" in str(caught.value)
    assert "carriers/adapters/zeta lacks" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("code =", "kode ="), "unknown keys: kode"),
        (('code = "ups"', 'code = "fedex"'), "the code 'fedex' is not the folder's name"),
        (("{number}", "number"), "tracking_url has no place"),
        (("America/New_York", "America/Gotham"), "'America/Gotham' is no IANA time zone"),
        (("batch_size = 1", "batch_size = 0"), "batch_size is at least 1"),
        (("batch_size = 1", 'batch_size = "1"'), "batch_size"),
        (("home_country", "# home_country"), "home_country"),
    ],
)
def test_a_wrong_card_is_named(folder: Path, change: tuple[str, str], complaint: str) -> None:
    card = (ROOT / "carriers" / "adapters" / "ups" / "card.toml").read_text()
    (folder / "ups").mkdir()
    (folder / "ups" / "card.toml").write_text(card.replace(*change))
    with pytest.raises(registry.AdapterIncomplete, match=r"card\.toml") as caught:
        registry.card("ups")
    assert complaint in str(caught.value)


def test_the_readme_shows_the_matrix_of_the_cards() -> None:
    assert registry.matrix() in (ROOT / "carriers" / "README.md").read_text()
