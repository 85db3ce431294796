"""docker-compose.yml and the Dockerfile against their schema and against the code; no engine is needed."""

import re
import shlex
import subprocess
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from aiohttp import web

from carriers import registry
from carriers.sandbox.server import Accounts
from carriers.sandbox.server import make_app as make_sandbox
from carriers.sandbox.world import World
from tests.setup.composed import (
    COMPOSE,
    COMPOSE_FILE,
    DOCKERFILE,
    INTERPOLATION,
    OURS,
    ROOT,
    SECRETS_GIVEN,
    SERVICES,
    command,
    environment,
)
from tracker import bootstrap
from tracker.arguments import build_parser
from tracker.clock import RealClock
from tracker.settings import Settings, known_variables, load
from tracker.web import health


def settings_of(service: str) -> Settings:
    return load(bootstrap.carrier_settings(), environment=environment(service))


def instructions(keyword: str) -> list[str]:
    return re.findall(rf"^{keyword}\s+(.+)$", DOCKERFILE, re.MULTILINE)


def urls(service: str) -> Iterator[tuple[str, int | None]]:
    """Host and port of everything that a service is told to reach."""
    for value in environment(service).values():
        parts = urlsplit(value)
        if parts.scheme and parts.hostname and parts.hostname != "localhost":
            yield parts.hostname, parts.port


def container_ports(service: str) -> set[int]:
    return {int(str(port).rpartition(":")[2]) for port in SERVICES[service].get("ports", [])}


def probe(service: dict[str, Any]) -> str:
    test = service.get("healthcheck", {}).get("test", [])
    return test if isinstance(test, str) else " ".join(test)


def test_the_file_fits_the_compose_schema():
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE_FILE)]
    checked = subprocess.run(check, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_that_the_tracker_knows(name):
    assert build_parser().parse_args(command(name)).command == command(name)[0]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name):
    assert environment(name).keys() <= known_variables(bootstrap.carrier_settings())


@pytest.mark.parametrize("name", OURS)
def test_the_settings_are_whole_and_every_account_has_what_its_card_asks_for(name):
    wanted = {code: set(adapter.card.settings) for code, adapter in registry.adapters().items()}
    for account in settings_of(name).carriers:
        assert wanted[account.carrier] <= account.values.keys()


def test_the_roles_together_are_the_whole_service():
    roles = {build_parser().parse_args(command(name)).role for name in OURS if "serve" in command(name)}
    assert roles == {"web", "work"}


def test_the_accounts_are_those_that_the_sandbox_takes():
    accounts = Accounts()
    given = environment("work")
    for name in ("dhl_unified_api_key", "ups_client_id", "ups_client_secret"):
        assert given[f"TRACKER_CARRIERS_{name.upper()}"] == getattr(accounts, name.replace("dhl_unified", "dhl"))


@pytest.mark.parametrize("name", OURS)
def test_every_host_that_is_named_is_a_service_that_listens_there(name):
    shared = SERVICES[name].get("network_mode", "").removeprefix("service:")
    for host, port in urls(name):
        service = shared if host == "127.0.0.1" else host
        assert service in SERVICES
        assert port in listening_ports(service)


def listening_ports(service: str) -> set[int]:
    if service in OURS:
        given = build_parser().parse_args(command(service))
        return {int(given.listen.rpartition(":")[2])} if "listen" in given else {settings_of(service).port}
    return {"postgres": {5432}, "mailpit": {1025, 8025}}[service]


def test_the_published_ports_are_those_that_are_listened_on_and_on_loopback_only():
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            host, _, _ = str(port).rpartition(":")
            assert host.startswith("127.0.0.1:"), f"{name} is open to the network"
        assert container_ports(name) <= listening_ports(name)


def test_what_is_written_lies_in_the_volume_of_the_image():
    assert settings_of("web").data_directory.is_relative_to(instructions("VOLUME")[0])


def test_inside_a_container_the_service_listens_on_all_its_addresses():
    assert settings_of("web").host == "0.0.0.0"


def test_every_volume_is_declared_and_used():
    mounted = {str(volume).partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert mounted == set(COMPOSE.get("volumes", {}))


def test_what_is_waited_for_can_be_told():
    for service in SERVICES.values():
        for other, wait in service.get("depends_on", {}).items():
            assert other in SERVICES
            if wait["condition"] == "service_healthy":
                assert probe(SERVICES[other])
            if wait["condition"] == "service_completed_successfully":
                assert SERVICES[other]["restart"] == "no"


def test_postgresql_is_new_enough():
    assert int(re.findall(r"postgres:(\d+)", SERVICES["postgres"]["image"])[0]) >= 15


def test_every_foreign_image_is_pinned_to_a_version():
    images = [service["image"] for service in SERVICES.values() if "build" not in service]
    images += [image for image in instructions("FROM") if not image.startswith("build")]
    assert [image for image in images if not re.search(r":v?\d", image)] == []


def test_the_image_is_named_after_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {SERVICES[name]["image"] for name in OURS} == {f"delivery-incident-tracker:{version}"}


def test_the_files_hold_no_secret_and_the_example_asks_for_each():
    asked_for = {m["name"] for m in INTERPOLATION.finditer(COMPOSE_FILE.read_text())}
    example = dict(
        line.split("=", 1)
        for line in (ROOT / ".env.example").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    assert example.keys() == asked_for
    assert [example[name] for name in SECRETS_GIVEN] == ["", ""]
    assert not re.search(r"^(ENV|ARG).*(KEY|PASSWORD|TOKEN|SECRET)", DOCKERFILE, re.MULTILINE)


def test_the_image_runs_the_console_script_as_an_ordinary_user():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert instructions("ENTRYPOINT") == ['["tracker"]']
    assert "tracker" in scripts
    assert instructions("USER") == ["tracker"]
    assert build_parser().parse_args(yaml.safe_load(instructions("CMD")[-1])).command == "serve"


def test_what_is_copied_into_the_image_is_there_and_not_ignored():
    let_in = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    for copied in instructions("COPY"):
        if not copied.startswith("--from"):
            *sources, _ = shlex.split(copied)
            assert all((ROOT / source).exists() for source in sources)
            assert set(sources) <= let_in


def test_the_image_has_all_that_the_wheel_is_made_of():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = {source for line in instructions("COPY") for source in shlex.split(line)[:-1]}
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {*packages, "pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]} <= copied


def test_what_is_taken_out_of_the_image_again_is_what_only_builds():
    uninstalled = re.findall(r"pip uninstall --yes ([\w -]+)", DOCKERFILE)[0].split()
    locked = (ROOT / "requirements.lock").read_text()
    assert all(name == "pip" or re.search(rf"^{name}==", locked, re.MULTILINE) for name in uninstalled)


def test_the_health_check_asks_the_door_that_the_service_has():
    url = urlsplit(re.findall(r"urlopen\('([^']+)'", DOCKERFILE)[0])
    assert url.port == Settings().port
    assert url.path in served_paths()
    assert instructions("EXPOSE") == [str(Settings().port)]


def served_paths() -> set[str]:
    app = web.Application()
    health.add_routes(app)
    return {route.resource.canonical for route in app.router.routes() if route.resource}


def test_the_health_check_of_the_sandbox_asks_the_door_that_it_has():
    url = urlsplit(re.findall(r"urlopen\('([^']+)'", probe(SERVICES["sandbox"]))[0])
    app = make_sandbox(World([]), RealClock())
    assert url.path in {route.resource.canonical for route in app.router.routes() if route.resource}
    assert url.port in listening_ports("sandbox")


def test_the_health_check_of_the_workers_is_a_command():
    keyword, program, *arguments = SERVICES["work"]["healthcheck"]["test"]
    assert (keyword, program) == ("CMD", "tracker")
    assert build_parser().parse_args(arguments).command == "doctor"


def verbs(parser: ArgumentParser) -> set[str]:
    return {verb for action in parser._subparsers._group_actions for verb in action.choices or ()}  # type: ignore[union-attr]


def test_every_command_in_the_documents_is_one_that_the_tracker_knows():
    known = verbs(build_parser())
    for page in ROOT.glob("*.md"):
        named = re.findall(r"(?:`|^ {4}|^)(?:\.venv/bin/)?tracker ([a-z][a-z-]+)", page.read_text(), re.MULTILINE)
        assert set(named) <= known, page.name
