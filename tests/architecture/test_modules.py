"""Each module can be imported alone, and importing it does nothing but define things."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import config
import core
import embedded
import service
import tasks
from config.settings import Settings

PROJECT = Path(config.__file__).parents[1]
NAMES = [name.upper() for name in Settings.model_fields]
MODULES = sorted(
    name
    for package in (config, core, service, tasks, embedded)
    for name in [
        package.__name__,
        *[found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")],
    ]
)
# One process that has only other people's libraries, and an empty environment, forks a fresh one
# for each module. What a module must not do while it is imported raises there and then.
IMPORT = """
import importlib, json, os, sys
import aiohttp.web, dramatiq, email_validator, pydantic_settings, supabase

def watch(event, arguments):
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen"}:
        raise AssertionError(f"importing does {event} {arguments}")

def read(environment, name, read=os._Environ.__getitem__):
    if name in settings:
        raise AssertionError(f"importing reads {name}")
    return read(environment, name)

def import_alone(module):
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os._Environ.__getitem__ = read
    sys.addaudithook(watch)
    try:
        importlib.import_module(module)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        os._exit(1)
    os._exit(0)

modules, settings = json.load(sys.stdin)
ours = {module.partition(".")[0] for module in modules}
assert not [name for name in sys.modules if name.partition(".")[0] in ours]
json.dump({module: import_alone(module) for module in modules}, sys.stdout)
"""


@pytest.fixture(scope="module")
def imported() -> tuple[dict[str, int], str]:
    """The exit code of each module's process, and what they had to say."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT],
        cwd=PROJECT,
        env={},
        input=json.dumps([MODULES, NAMES]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_modules_are_found():
    assert {"config.settings", "service.app", "tasks.actors", "embedded.launch"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_each_module_imports_alone_with_an_empty_environment(imported, module):
    codes, said = imported
    assert codes[module] == 0, said


def test_importing_says_nothing(imported):
    assert imported[1] == ""
