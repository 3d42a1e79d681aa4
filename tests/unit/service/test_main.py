"""main: the service does not start with wrong settings or a wrong Python."""

import pytest

from core import self_check
from service import __main__ as command


@pytest.fixture(autouse=True)
def no_arguments(monkeypatch):
    monkeypatch.setattr("sys.argv", ["service"])


def test_main_reports_a_failed_self_check_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(self_check, "count_rows", lambda data, delimiter: (range(1), len(data)))
    monkeypatch.setenv("SUPABASE_URL", "nonsense")
    assert command.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "reads known samples wrongly (CSV)" in line


def test_main_reports_each_invalid_setting_in_a_line(monkeypatch, capsys):
    for name in ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert command.main() == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


@pytest.mark.parametrize("content", [None, "", "crm read nonsense\n"])
def test_main_reports_a_file_of_keys_that_cannot_be_used_in_one_line(
    monkeypatch, capsys, tmp_path, content
):
    path = tmp_path / "keys"
    if content is not None:
        path.write_text(content)
    needed = {
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_SERVICE_ROLE_KEY": "k",
        "DATABASE_URL": "postgresql://u:p@h/db",
    }
    for name, value in (needed | {"API_KEYS_FILE": str(path)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(command, "configure_logging", lambda _: None)
    monkeypatch.setattr(command, "silence_header_warnings", lambda: None)
    monkeypatch.setattr(command, "_raise_file_limit", lambda: None)
    assert command.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("API_KEYS_FILE cannot be used: ")
