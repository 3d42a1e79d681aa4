"""``python -m service.keys``."""

import pytest

from service.keys import __main__ as command
from service.keys.api_key import find_key, parse_keys
from service.keys.scopes import Scope


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["keys", *arguments])
        code = command.main()
        return (code, *capsys.readouterr())

    return run


def test_it_prints_a_key_and_its_line(run):
    code, out, err = run("crm", "import", "read")
    text, line = out.splitlines()
    (key,) = parse_keys(line.encode())
    assert (code, key.name, key.scopes) == (0, "crm", {Scope.IMPORT, Scope.READ})
    assert find_key([key], text) is key
    assert text not in line + err


@pytest.mark.parametrize("before", [None, b"", b"# keys of clients", b"# keys of clients\n"])
def test_it_appends_the_line_to_a_file(run, tmp_path, before):
    path = tmp_path / "keys"
    if before is not None:
        path.write_bytes(before)
    made = [run(name, "undo", "--file", str(path)) for name in ("a", "b")]
    keys = parse_keys(path.read_bytes())
    assert [key.name for key in keys] == ["a", "b"]
    assert [find_key(keys, out.strip()) for _, out, _ in made] == list(keys)
    assert path.read_bytes().startswith(before or b"a")


def test_it_appends_nothing_to_a_file_of_something_else(run, tmp_path):
    path = tmp_path / "settings"
    path.write_bytes(b"PORT=8000\n")
    code, out, err = run("crm", "read", "--file", str(path))
    assert (code, out, path.read_bytes()) == (2, "", b"PORT=8000\n")
    assert err.startswith(f"{path} cannot be used: line 1: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["a b", "read"], ["crm", "read", "--file", "/"]])
def test_it_says_in_one_line_why_no_key_is_made(run, arguments):
    code, out, err = run(*arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("arguments", [[], ["crm"], ["crm", "everything"]])
def test_a_name_and_scopes_are_needed(run, arguments):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2
