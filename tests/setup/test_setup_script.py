"""bin/setup, with stand-ins for Python, apt-get and the user, each of which writes down how it was called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("cat", "cut", "dirname", "env", "flock", "grep", "ls", "mkdir", "rm", "sed", "sh", "sha256sum", "tr")

# Answers as a Python would: `-c` prints what look_at asks for, `-m venv` makes an environment with itself inside.
PYTHON = """#!/bin/sh
echo "${0##*/} $*" >> calls
case "$1 $2" in
"-c "*"import importlib"*) ANSWER ;;
"-c "*) echo 3.11 ;;
"--version "*) echo "Python 3.11.2" ;;
"-m venv") rm -rf .venv && mkdir -p .venv/bin && cat "$0" > .venv/bin/python && chmod +x .venv/bin/python ;;
"-m pip") PIP ;;
esac
"""


class Clone:
    """A fresh clone with nothing on the PATH but what a minimal system has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        self.path = folder / "path"
        (self.folder / "bin").mkdir(parents=True)
        self.path.mkdir()
        for name in ("bin/setup", "pyproject.toml"):
            shutil.copy(ROOT / name, self.folder / name)
        for lock in ("requirements.lock", "requirements-dev.lock"):
            (self.folder / lock).write_text("aiohttp==3.14.5\n")
        for tool in (*TOOLS, "chmod"):
            (self.path / tool).symlink_to(shutil.which(tool) or tool)
        self.user(uid=1000)

    def program(self, name: str, script: str) -> Path:
        program = self.path / name
        program.write_text(script if script.startswith("#!") else f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    def python(self, name: str = "python3", *, answer: str | None = None, pip: str = "exit 0") -> Path:
        answer = answer or f'echo "venv {self.path / name}"'
        return self.program(name, PYTHON.replace("ANSWER", answer).replace("PIP", pip))

    def user(self, *, uid: int) -> None:
        self.program("id", f"echo {uid}")

    def setup(self, what: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.path), **variables}
        command = [str(self.folder / "bin/setup"), what]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def calls(self, beginning: str = "") -> list[str]:
        record = self.folder / "calls"
        lines = record.read_text().splitlines() if record.exists() else []
        return [line for line in lines if beginning in line]


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


def test_without_a_python_that_is_new_enough_it_says_what_to_install(clone):
    clone.python(answer="exit 1")
    result = clone.setup("runtime")
    assert result.returncode != 0
    assert "3.11" in result.stderr
    assert "apt-get install python3" in result.stderr


def test_a_shim_that_starts_nothing_is_passed_over(clone):
    clone.program("python3.13", "echo 'python3.13: command not found' >&2; exit 127")
    clone.python("python3")
    assert clone.setup("runtime").returncode == 0
    assert clone.calls("-m venv")


def test_a_python_that_can_make_environments_is_taken_before_a_newer_one_that_cannot(clone):
    clone.python("python3.13", answer="echo 'bare /python3.13'")
    clone.python("python3")
    assert clone.setup("runtime").returncode == 0
    assert clone.calls("-m venv") == ["python3 -m venv --clear .venv"]


def test_an_ordinary_user_is_told_the_name_of_the_missing_package(clone):
    clone.python(answer=f'echo "bare {clone.path / "python3"}"')
    result = clone.setup("runtime")
    assert result.returncode != 0
    assert "apt-get install python3.11-venv" in result.stderr


def test_root_gets_the_missing_package_installed(clone):
    clone.user(uid=0)
    clone.python(
        answer=f'if [ -e installed ]; then echo "venv {clone.path}/python3"; else echo "bare {clone.path}/python3"; fi'
    )
    clone.program("apt-get", 'echo "apt-get $*" >> calls; case "$*" in *python3.11-venv*) : > installed ;; esac')
    assert clone.setup("runtime").returncode == 0
    assert [call.split()[-1] for call in clone.calls("apt-get")] == ["update", "python3.11-venv"]


def test_a_second_start_installs_nothing(clone):
    clone.python()
    clone.setup("runtime")
    before = clone.calls("-m")
    assert clone.setup("runtime").returncode == 0
    assert clone.calls("-m") == before


def test_the_tools_environment_serves_the_demo_too(clone):
    clone.python()
    clone.setup("dev")
    before = clone.calls("-m")
    clone.setup("runtime")
    assert clone.calls("-m") == before


def test_a_changed_lock_file_is_installed_into_the_same_environment(clone):
    clone.python()
    clone.setup("runtime")
    (clone.folder / "requirements.lock").write_text("aiohttp==3.14.6\n")
    clone.setup("runtime")
    assert len(clone.calls("-m venv")) == 1
    assert len(clone.calls("-r requirements.lock")) == 2


def test_an_installation_that_was_broken_off_is_made_anew(clone):
    clone.python(pip="[ -e network ]")
    broken = clone.setup("runtime")
    assert broken.returncode != 0
    assert "package index" in broken.stderr
    (clone.folder / "network").touch()
    assert clone.setup("runtime").returncode == 0
    assert len(clone.calls("-m venv")) == 2


def test_an_environment_that_was_copied_from_elsewhere_is_made_anew(clone):
    clone.python()
    clone.setup("runtime")
    clone.folder = clone.folder.rename(clone.folder.with_name("copy"))
    clone.setup("runtime")
    assert len(clone.calls("-m venv")) == 2


def test_an_environment_whose_python_is_gone_is_made_anew(clone):
    clone.python()
    clone.setup("runtime")
    (clone.folder / ".venv/bin/python").unlink()
    assert clone.setup("runtime").returncode == 0
    assert len(clone.calls("-m venv")) == 2


def test_everything_is_installed_with_its_hash(clone):
    clone.python()
    clone.setup("dev")
    assert "--require-hashes" in clone.calls("requirements-dev.lock")[0]


def test_an_ordinary_user_without_a_browser_is_told_its_name_and_the_way_around(clone):
    result = clone.setup("system")
    assert result.returncode != 0
    assert "apt-get install chromium" in result.stderr
    assert "make test BROWSER=no" in result.stderr


def test_without_a_browser_on_request_it_says_what_is_left_out(clone):
    result = clone.setup("system", BROWSER="no")
    assert result.returncode == 0
    assert "tests in a browser are left out" in result.stderr


def test_root_gets_the_browser_installed(clone):
    clone.user(uid=0)
    clone.program("postgres", "echo 'postgres (PostgreSQL) 17.2'")
    chromium = clone.path / "chromium"
    clone.program(
        "apt-get",
        f'echo "apt-get $*" >> calls; case "$*" in *chromium) echo "#!/bin/sh" > {chromium}; chmod +x {chromium} ;; esac',
    )
    assert clone.setup("system").returncode == 0
    assert [call.split()[-1] for call in clone.calls("apt-get")] == ["update", "chromium"]


def test_a_word_it_does_not_know_is_answered_with_those_it_knows(clone):
    result = clone.setup("everything")
    assert result.returncode != 0
    assert "runtime|dev|system" in result.stderr


def test_it_is_a_script_for_any_posix_shell():
    for shell in filter(None, map(shutil.which, ("dash", "bash", "busybox"))):
        arguments = [shell, "sh"] if shell.endswith("busybox") else [shell]
        subprocess.run([*arguments, "-n", ROOT / "bin/setup"], check=True)
    assert os.access(ROOT / "bin/setup", os.X_OK)
