"""Each module can be imported alone, and importing it only defines things."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import config
import core
import deploy
import embedded
import service
import tasks
from config.settings import Settings

PROJECT = Path(config.__file__).parents[1]
NAMES = [name.upper() for name in Settings.model_fields]
MODULES = sorted(
    name
    for package in (config, core, service, tasks, deploy, embedded)
    for name in [
        package.__name__,
        *[found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")],
    ]
)
# A process with third-party libraries and an empty environment forks another one for each module.
# What a module must not do while it is imported raises an error there.
IMPORT = """
import importlib, json, os, sys
import aiofiles, aiohttp.web, dramatiq.cli, dramatiq_pg, email_validator, ijson, jwt, msgspec
import prometheus_client, psutil, psycopg, psycopg2.extras, pydantic_settings, python_multipart
import structlog, supabase, tenacity, uvloop

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
    """The exit code of each module's process, and all that they printed."""
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


def test_all_packages_are_searched():
    assert {"config.settings", "service.app", "tasks.actors", "embedded.launch"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_each_module_imports_alone_with_an_empty_environment(imported, module):
    codes, output = imported
    assert codes[module] == 0, output


def test_importing_prints_nothing(imported):
    assert imported[1] == ""
