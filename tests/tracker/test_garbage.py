"""Whatever stands in the configuration or on the command line is taken or refused in words; nothing ends in a traceback."""

import io
import json
import tempfile
from contextlib import redirect_stderr
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracker.web.garbage import NASTY
from tracker import bootstrap, cli, logs
from tracker.settings import Settings, SettingsWrong, known_variables, load

CARRIERS = bootstrap.carrier_settings()
VARIABLES = sorted(known_variables(CARRIERS) - {"TRACKER_CONFIG"})
SECTIONS = (
    "",
    "shop",
    "twilio",
    "carriers",
    "carriers.ups",
    "carriers.ups.accounts",
    "carriers.ups.accounts.north",
    "x",
)
NAMES = sorted(
    {
        field.name
        for kind in (Settings, *map(type, (Settings().shop, Settings().twilio)))
        for field in msgspec.structs.fields(kind)
    }
    | {name for names in CARRIERS.values() for name in names}
    | {"smtp_url_file", "client_secret_file", "accounts", "nothing"}
)
TEXTS = st.one_of(
    NASTY,
    st.text(max_size=20),
    st.sampled_from(
        [
            "postgresql://u:p@[::1/x",
            "postgresql://h:99999/x",
            "smtp://:0",
            "http://",
            "127.0.0.1:0",
            "/",
            ".",
            "/dev/null",
        ]
    ),
)
VALUES = st.recursive(
    st.one_of(
        TEXTS.filter(lambda text: text.isprintable()).map(lambda text: json.dumps(text, ensure_ascii=False)),
        st.integers().map(str),
        st.floats().map(str),
        st.sampled_from(["true", "1979-05-27T07:32:00Z", "07:32:00", "0x10", "9" * 5000, "[" * 2000, "'\\u0000'"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda many: f"[{', '.join(many)}]") | inner.map(lambda one: f"{{ a = {one} }}")
    ),
    max_leaves=3,
)
LINES = st.builds("{} = {}".format, st.sampled_from(NAMES), VALUES)
TABLES = st.builds(
    lambda section, lines: "\n".join(([f"[{section}]"] if section else []) + lines),
    st.sampled_from(SECTIONS),
    st.lists(LINES, max_size=3),
)
FILES = st.one_of(
    st.binary(max_size=60),
    st.lists(TABLES, max_size=3, unique=True).map(lambda tables: "\n".join(tables).encode(errors="replace")),
)
ENVIRONMENTS = st.dictionaries(st.one_of(st.sampled_from(VARIABLES), NASTY.map("TRACKER_{}".format)), TEXTS, max_size=3)
ARGUMENTS = """
serve demo migrate doctor stop-sending shadow on off link keys create partners add rotate carriers list decode sandbox
ups x --role all web work --speed 2 --seed --port 80 --until-settled --json --shop --label --read-only --status 200
--content-type --number --listen 127.0.0.1:1 --config --help --
"""
WORDS = st.one_of(
    st.sampled_from(ARGUMENTS.split()),
    TEXTS,
    st.just("\udcff"),  # how a byte that is no UTF-8 comes in
)
UNDERSTOOD = 77
same_house = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def our_own_log(monkeypatch: pytest.MonkeyPatch):
    """The log of this process is the tests'."""
    monkeypatch.setattr(logs, "configure", lambda *_: None)


@given(raw=FILES, environment=ENVIRONMENTS)
def test_any_configuration_is_read_or_every_mistake_is_named(raw: bytes, environment: dict[str, str]):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tracker.toml"
        file.write_bytes(raw)
        read, mistakes = reading(environment, file)
    if read is None:
        assert mistakes
        assert all(mistake.strip() for mistake in mistakes)
    else:
        assert 0 <= read.port <= 65535
        assert all(network.prefixlen >= 0 for network in read.proxies)


@same_house
@given(words=st.lists(WORDS, max_size=5))
def test_any_arguments_are_understood_or_used_wrongly(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(cli, "_run", lambda *_: UNDERSTOOD)
    monkeypatch.chdir(tmp_path)

    code, said = exit_code(words)

    assert code in {0, 1, 2, UNDERSTOOD}
    assert code == UNDERSTOOD or said or capsys.readouterr().out


@same_house
@given(
    carrier=st.sampled_from(sorted(CARRIERS)),
    body=st.one_of(st.binary(max_size=80), TEXTS.map(lambda text: json.dumps({"shipments": [{"id": text}]}).encode())),
    status=st.integers(100, 599),
    number=st.none() | TEXTS,
    content_type=st.none() | TEXTS,
)
def test_any_body_is_decoded_or_refused(
    carrier: str,
    body: bytes,
    status: int,
    number: str | None,
    content_type: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    file = tmp_path / "body.json"
    file.write_bytes(body)
    more = [
        f"--{name}={value}" for name, value in (("number", number), ("content-type", content_type)) if value is not None
    ]
    code, said = exit_code(["carriers", "decode", carrier, str(file), f"--status={status}", "--json", *more])

    printed = capsys.readouterr().out
    if code == 0:
        assert json.loads(printed)["carrier"] == carrier
    else:
        assert (code, printed) == (2, "")
        assert "tracker carriers decode: error: argument --" in said


def exit_code(words: list[str]) -> tuple[object, str]:
    """Of a command, whichever way it ends, with what it said beside its output; there Python escapes what is no text."""
    with redirect_stderr(io.StringIO()) as said:
        try:
            return cli.main(words), said.getvalue()
        except SystemExit as ended:
            return ended.code, said.getvalue()


def reading(environment: dict[str, str], file: Path) -> tuple[Settings | None, list[str]]:
    """The settings, or the mistakes."""
    try:
        return load(CARRIERS, environment=environment, file=file), []
    except SettingsWrong as wrong:
        return None, wrong.mistakes
