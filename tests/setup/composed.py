"""docker-compose.yml as the code would see it: the services, and what each is told by its environment."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
IMAGE_ENVIRONMENT = dict(re.findall(r"\b(TRACKER_\w+)=(\S+)", DOCKERFILE))
INTERPOLATION = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}")
SECRETS_GIVEN = {"POSTGRES_PASSWORD": "a-password", "TRACKER_SECRET_KEY": "k" * 64}


def filled_in(value: object) -> str:
    """A value of the file as compose would pass it on."""
    return INTERPOLATION.sub(lambda m: SECRETS_GIVEN.get(m["name"]) or m["default"] or "", str(value))


def environment(service: str) -> dict[str, str]:
    """What a service is told: by our image, where it runs that, and by the compose file."""
    given = dict(IMAGE_ENVIRONMENT) if service in OURS else {}
    return given | {name: filled_in(value) for name, value in SERVICES[service].get("environment", {}).items()}


def command(service: str) -> list[str]:
    return [str(word) for word in SERVICES[service]["command"]]
