from pathlib import Path

import pytest

from tracker.settings import Settings, SettingsWrong, known_variables, load

CARRIERS = {"ups": frozenset({"base_url", "auth_url", "calls_per_day", "spacing", "client_id", "client_secret"})}


def read(text: str, tmp_path: Path, **environment: str) -> Settings:
    file = tmp_path / "tracker.toml"
    file.write_text(text)
    return load(CARRIERS, environment=environment, file=file)


def mistakes_of(text: str, tmp_path: Path, **environment: str) -> list[str]:
    with pytest.raises(SettingsWrong) as caught:
        read(text, tmp_path, **environment)
    return caught.value.mistakes


def test_nothing_given_is_a_service_for_this_machine(tmp_path: Path):
    settings = read("", tmp_path)
    assert (settings.database_url, settings.host, settings.port, settings.carriers) == (None, "127.0.0.1", 8080, ())


def test_the_environment_goes_over_the_file(tmp_path: Path):
    settings = read('[shop]\nname = "File"\ncountry = "PT"', tmp_path, TRACKER_SHOP_NAME="Environment")
    assert (settings.shop.name, settings.shop.country) == ("Environment", "PT")


def test_a_secret_may_stand_in_a_file(tmp_path: Path):
    (tmp_path / "relay").write_text("smtps://user:pass@relay.example:465\n")
    (tmp_path / "ups").write_text("quiet\n")
    settings = read(
        f'smtp_url_file = "{tmp_path}/relay"\n[carriers.ups]\nclient_id = "a"\nclient_secret_file = "{tmp_path}/ups"',
        tmp_path,
    )
    assert settings.smtp_url == "smtps://user:pass@relay.example:465"
    assert settings.carriers[0].values == {"client_id": "a", "client_secret": "quiet"}
    assert "pass" not in repr(settings) + repr(settings.twilio) + repr(settings.carriers)


def test_a_carrier_may_have_several_accounts(tmp_path: Path):
    settings = read('[carriers.ups]\nclient_id = "a"\n[carriers.ups.accounts.north]\nclient_id = "b"', tmp_path)
    assert [(one.account, one.values["client_id"]) for one in settings.carriers] == [("default", "a"), ("north", "b")]


def test_all_mistakes_are_named_at_once(tmp_path: Path):
    mistakes = mistakes_of(
        'listen = "nowhere"\nsmtp_connections = 1000\ncolour = "red"\n[shop]\ncountry = "Spain"\n'
        '[carriers.ups]\nclient = "a"\n[carriers.nobody]\nkey = "b"',
        tmp_path,
        TRACKER_TICK_SECONDS="soon",
        TRACKER_NOTHING="1",
    )
    named = " ".join(mistakes)
    words = ["listen", "smtp_connections", "colour", "shop.country", "carriers.ups.client", "carriers.nobody"]
    assert [word for word in [*words, "tick_seconds", "TRACKER_NOTHING"] if word not in named] == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('database_url = "mysql://x"', "database_url"),
        ('database_url = "postgresql://x"', "secret_key"),
        ('database_owner_url = "postgresql://x"', "database_owner_url"),
        ('secret_key = "short"', "secret_key"),
        ('old_secret_key = "short"', "old_secret_key"),
        ('public_url = "http://[bad"', "public_url"),
        ('smtp_url = "smtp://relay:port"', "smtp_url"),
        ('listen = "127.0.0.1:99999"', "listen"),
        ('public_url = "https://"', "public_url"),
        ('trusted_proxies = "10.0.0.1/8"', "trusted_proxies"),
        ('trusted_proxies = "127.0.0.1 10.0.0.1"', "trusted_proxies"),
        ('trusted_proxies = ["127.0.0.1"]', "trusted_proxies"),
        ('smtp_url_file = "a\\u0000b"', "smtp_url_file"),
        ('data_directory = "a\\u0000b"', "data_directory"),
        ("listen = " + "[" * 5000, "tracker.toml"),
        ("listen = " + "9" * 5000, "tracker.toml"),
        ('[twilio]\naccount_sid = "AC1"', "twilio"),
        ('[carriers.ups]\nbase_url = "nonsense"', "carriers.ups.base_url"),
        ('[carriers.ups]\ncalls_per_day = "many"', "carriers.ups.calls_per_day"),
        ('[carriers.ups]\nspacing = "nan"', "carriers.ups.spacing"),
        (f'[carriers.ups]\nspacing = "{"9" * 400}"', "carriers.ups.spacing"),
        ('[carriers.ups]\naccounts = "north"', "carriers.ups.accounts"),
        ('[carriers.ups.accounts]\nnorth = "x"', "carriers.ups.accounts"),
        ('carriers = "ups"', "carriers"),
        ('shop = "mine"', "shop"),
        ('smtp_url_file = "/nowhere/at/all"', "smtp_url_file"),
        ("listen = [", "tracker.toml"),
    ],
)
def test_a_mistake_is_told_by_its_name(tmp_path: Path, text: str, named: str):
    assert any(named in mistake for mistake in mistakes_of(text, tmp_path))


SHOP = {
    "name": (["Tienda Ñandú"], ["", "a\\nBcc: everybody@x.example", "  "], ""),
    "country": (["ES", "XK"], ["Spain", "es", "ZZ", "UK", ""], "ISO 3166"),
    "language": (["es", "ca"], ["xx", "es-MX", "spanish", ""], "ISO 639"),
    "time_zone": (["Europe/Madrid", "UTC"], ["Nowhere/X", "CET+1", "../etc/passwd", ""], "Europe/Madrid"),
    "sender_email": (
        ["pedidos@shop.example", "a.b+c@ñandú.es"],
        ["pedidos", "a@b", "Ana <a@b.es>", "a@b.es, c@d.es", "ñ@b.es", "a@b.es\\n", ""],
        "orders@your-shop.example",
    ),
    "reply_email": (["help@shop.example"], ["help@", "@shop.example", "a b@shop.example"], "orders@your-shop.example"),
    "phone": (["+34 910 00 00 00", "910000000", "+44 20 7946 0000"], ["call us", "12", "+999 1234567", ""], "+34"),
    "website": (
        ["https://shop.example", "shop.example/es?a=b", "http://shop.example:8080"],
        ["javascript:alert(1)//.x", "ftp://shop.example", "shop", "https://", "shop.example/<b>", "a b.example", ""],
        "https://your-shop.example",
    ),
}


@pytest.mark.parametrize("name", SHOP)
def test_what_customers_would_read_or_answer_to_must_be_what_it_says(tmp_path: Path, name: str):
    good, bad, fix = SHOP[name]
    for value in good:
        assert getattr(read(f'[shop]\n{name} = "{value}"', tmp_path).shop, name) == value
    for value in bad:
        mistakes = mistakes_of(f'[shop]\n{name} = "{value}"', tmp_path)
        assert [one.partition(":")[0] for one in mistakes] == [f"shop.{name}"], value
        assert fix in mistakes[0]


def test_a_file_that_was_named_must_be_there(tmp_path: Path):
    with pytest.raises(SettingsWrong, match="no such file"):
        load(CARRIERS, environment={}, file=tmp_path / "gone.toml")


def test_proxies_are_addresses_and_networks(tmp_path: Path):
    settings = read("", tmp_path, TRACKER_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8,,fd00::/8")
    assert [str(one) for one in settings.proxies] == ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]
    assert read("", tmp_path).proxies == ()


def test_every_variable_is_known_by_its_name():
    known = known_variables(CARRIERS)
    assert {
        "TRACKER_DATABASE_URL",
        "TRACKER_SMTP_URL_FILE",
        "TRACKER_SHOP_NAME",
        "TRACKER_CARRIERS_UPS_CLIENT_ID",
    } <= known


def test_without_a_public_address_links_lead_to_where_we_listen(tmp_path: Path):
    assert read('listen = "127.0.0.1:8195"', tmp_path).public_url == "http://127.0.0.1:8195"
    assert read('listen = "0.0.0.0:80"', tmp_path).public_url == "http://127.0.0.1:80"
    both = 'listen = "127.0.0.1:8195"\npublic_url = "https://track.example"'
    assert read(both, tmp_path).public_url == "https://track.example"


def test_a_file_that_is_named_must_be_there(tmp_path: Path):
    for named in (tmp_path / "gone", tmp_path):
        for given in ({"file": named}, {"environment": {"TRACKER_CONFIG": str(named)}}):
            with pytest.raises(SettingsWrong, match="TRACKER_CONFIG"):
                load(CARRIERS, **({"environment": {}} | given))


@pytest.mark.parametrize("name", ["pg_catalog", "pg_mine", "information_schema", "public"])
def test_a_schema_that_cannot_be_ours_alone_is_refused(name: str, tmp_path: Path):
    assert "database_schema" in mistakes_of(f'database_schema = "{name}"', tmp_path)[0]


def test_a_tick_that_leaves_no_time_for_work_is_refused(tmp_path: Path):
    assert "tick_seconds" in mistakes_of("tick_seconds = 0.000001", tmp_path)[0]


def test_a_credential_of_several_lines_is_refused(tmp_path: Path):
    key = "A\\nX-Other: header"
    text = f'[carriers.ups]\nclient_id = "{key}"\n[twilio]\naccount_sid = "a"\nsender = "b"\nauth_token = "{key}"'
    named = {mistake.partition(":")[0] for mistake in mistakes_of(text, tmp_path)}
    assert named == {"carriers.ups.client_id", "twilio.auth_token"}


def test_files_that_secrets_come_from_are_known(tmp_path: Path):
    for name in ("relay", "ups"):
        (tmp_path / name).write_text("smtp://relay.example")
    settings = read(
        f'smtp_url_file = "{tmp_path}/relay"', tmp_path, TRACKER_CARRIERS_UPS_CLIENT_SECRET_FILE=str(tmp_path / "ups")
    )
    assert settings.secret_files == (tmp_path / "relay", tmp_path / "ups")
    assert "secret_files: no such setting" in mistakes_of('secret_files = ["x"]', tmp_path)
