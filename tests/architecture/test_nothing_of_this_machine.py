import re

from tests.architecture.tree import PACKAGES, ROOT, files, shown

PRODUCT = (*PACKAGES, "bench", "bin", "docs")
AT_THE_ROOT = (
    *("Makefile", "Dockerfile", "docker-compose.yml", ".dockerignore", ".gitignore", ".ci/run"),
    *("pyproject.toml", "requirements.lock", "requirements-dev.lock"),
)
MACHINE_PATH = re.compile(r"\.\./shared\b|(?<![\w.])/(?:work|root|home|tmp)/\w")
REGISTRY_HOST = re.compile(r"\b(?:files\.)?pythonhosted\.org|\bpypi\.org|\bregistry\.npmjs\.org|\bdeb\.debian\.org")


def texts() -> dict[str, str]:
    pages = list(ROOT.glob("*.md"))
    named = [ROOT / name for name in AT_THE_ROOT if (ROOT / name).exists()]
    found = {}
    for path in [*files(*PRODUCT), *pages, *named]:
        try:
            found[shown(path)] = path.read_text()
        except UnicodeDecodeError:
            continue  # an image or a compiled catalogue
    return found


def test_no_path_of_one_machine_stands_in_the_product():
    assert {path: MACHINE_PATH.findall(text) for path, text in texts().items() if MACHINE_PATH.search(text)} == {}


def test_no_package_registry_is_named():
    assert {path: REGISTRY_HOST.findall(text) for path, text in texts().items() if REGISTRY_HOST.search(text)} == {}
