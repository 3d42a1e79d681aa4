"""The file of keys is read again when it changes; one that is broken changes nothing."""

from pathlib import Path

import pytest
import structlog

from service.keys.api_key import KeyFileError, make_key
from service.keys.key_file import KeyFile
from service.keys.scopes import Scope

OLD, OLD_KEY = make_key("crm", [Scope.READ])
NEW, NEW_KEY = make_key("crm", [Scope.READ, Scope.IMPORT])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"{OLD_KEY.line}\n")
    return path


def refreshed(keys: KeyFile) -> list[tuple[str, str]]:
    """Refresh twice; return the levels and events that were logged."""
    with structlog.testing.capture_logs() as lines:
        keys.refresh()
        keys.refresh()
    return [(line["log_level"], line["event"]) for line in lines]


CHANGED = [("info", "API keys changed")]
NOT_CHANGED = [("error", "API keys not changed")]


def test_keys_rotate(path):
    keys = KeyFile(path)
    assert refreshed(keys) == []
    path.write_text(f"{OLD_KEY.line}\n{NEW_KEY.line}\n")
    assert refreshed(keys) == CHANGED
    assert (keys.find(OLD), keys.find(NEW)) == (OLD_KEY, NEW_KEY)
    path.write_text(f"{NEW_KEY.line}\n")
    assert refreshed(keys) == CHANGED
    assert (keys.find(OLD), keys.find(NEW)) == (None, NEW_KEY)
    path.write_text(f"# a comment\n{NEW_KEY.line}\n")
    assert refreshed(keys) == []


def test_a_link_may_come_to_lead_elsewhere(path, tmp_path):
    other = tmp_path / "other"
    other.write_text(NEW_KEY.line)
    link = tmp_path / "link"
    link.symlink_to(path)
    keys = KeyFile(link)
    link.unlink()
    link.symlink_to(other)
    assert refreshed(keys) == CHANGED
    assert keys.find(NEW) == NEW_KEY


BROKEN = {
    "a word": b"nonsense\n",
    "not UTF-8": b"\xff",
    "truncated": NEW_KEY.line[:-1].encode(),
    "empty": b"",
    "no key": b"# none\n",
    "too large": b"#" * (1024 * 1024 + 1),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_keeps_the_former_keys_and_is_logged_once(path, content):
    keys = KeyFile(path)
    path.write_bytes(content)
    assert refreshed(keys) == NOT_CHANGED
    assert keys.find(OLD) == OLD_KEY
    assert keys.find(NEW) is None
    path.write_text(f"{OLD_KEY.line}\n")
    assert refreshed(keys) == []
    path.write_bytes(content)
    assert refreshed(keys) == NOT_CHANGED
    path.write_text(f"{NEW_KEY.line}\n")
    assert refreshed(keys) == CHANGED


def test_a_lost_file_keeps_the_former_keys_and_is_logged_once(path):
    keys = KeyFile(path)
    path.unlink()
    assert refreshed(keys) == NOT_CHANGED
    path.mkdir()
    assert refreshed(keys) == []
    assert keys.find(OLD) == OLD_KEY


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_an_error_at_the_start(path, content):
    path.write_bytes(content)
    with pytest.raises(KeyFileError):
        KeyFile(path)


def test_a_lost_file_is_an_error_at_the_start(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(KeyFileError, match="no such file"):
            KeyFile(path)
