"""The contacts-import command with a service that has API keys."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from local.processes import PROJECT, service
from service.keys.api_key import make_key
from service.keys.scopes import Scope
from tests.acceptance.conftest import Importer
from tests.acceptance.test_client import COUNTS, ROWS, run
from tests.support.client_command import CLIENT_COMMAND, client_environment

KEY = "CONTACTS_IMPORT_KEY"
HINT = f"The key is taken from the environment variable {KEY}."
ALL, ALL_KEY = make_key("command", [Scope.IMPORT, Scope.READ])
SEND, SEND_KEY = make_key("sender", [Scope.IMPORT])


@pytest.fixture(scope="module")
def url(embedded_env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as name:
        keys = Path(name) / "keys"
        keys.write_text(f"{ALL_KEY.line}\n{SEND_KEY.line}\n")
        env = {**embedded_env, "API_KEYS_FILE": str(keys)}
        with service(env, Path(name) / "service.log") as (address, _):
            yield ("--url", address)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def test_client_sends_its_key_with_each_request(
    importer: Importer, url: tuple[str, str], rows: Path
) -> None:
    rejections = rows.with_name("rejections.csv")
    with subprocess.Popen(
        (*CLIENT_COMMAND, str(rows), "-s", "keys", "--rejections", str(rejections), *url),
        cwd=PROJECT,
        env={**client_environment(), KEY: ALL},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stderr
        accepted = waiting.stderr.readline()
        assert importer.run("tasks", "--once").returncode == 0
        result, errors = waiting.communicate(timeout=60)
    assert (waiting.returncode, errors) == (3, "")
    assert COUNTS in result
    assert len(rejections.read_text().splitlines()) == 3
    assert importer.shown(accepted.split()[-1])["createdBy"] == "command"


@pytest.mark.parametrize(
    ("key", "words"),
    [("", "A key is needed. "), ("cik_unknown", "The key is not valid. ")],
)
def test_client_says_where_the_key_is_taken_from(
    url: tuple[str, str], rows: Path, key: str, words: str
) -> None:
    ended = run(str(rows), "-s", "keys", *url, **{KEY: key})
    problem, hint = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout, hint) == (1, "", HINT)
    assert problem.startswith(words)
    assert "cik_" not in ended.stderr


def test_client_shows_the_answer_to_a_file_that_is_too_large_to_be_sent_before_it(
    url: tuple[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "large.csv"
    path.write_text("name\n" + "Ada Lovelace\n" * 5_000_000)
    ended = run(str(path), "-s", "keys", *url, **{KEY: ""})
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == HINT


def test_a_key_that_may_only_import_is_enough_without_waiting(
    importer: Importer, url: tuple[str, str], rows: Path
) -> None:
    sent = run(str(rows), "-s", "keys", "--again", "--no-wait", *url, **{KEY: SEND})
    assert sent.returncode == 0
    assert importer.shown(sent.stdout.strip())["createdBy"] == "sender"
    waiting = run(str(rows), "-s", "keys", "--again", *url, **{KEY: SEND})
    assert waiting.returncode == 1
    assert "This needs a key with the scope read" in waiting.stderr


def test_a_variable_that_is_no_key_is_an_error_of_usage(url: tuple[str, str], rows: Path) -> None:
    ended = run(str(rows), "-s", "keys", *url, **{KEY: "not a key"})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert KEY in ended.stderr
    assert "not a key\n" not in ended.stderr
