"""Keys and the file that lists them."""

import hashlib
import hmac
import re
from unittest.mock import Mock

import pytest

from service.keys import api_key
from service.keys.api_key import ApiKey, KeyFileError, find_key, make_key, parse_keys
from service.keys.scopes import SCOPES, Scope

HASH = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "f" * 64


def test_each_scope_is_described():
    assert set(SCOPES) == set(Scope)


def test_a_key_is_256_random_bits_which_a_header_can_have():
    text, _ = make_key("crm", [Scope.READ])
    assert re.fullmatch(r"cik_[A-Za-z0-9_-]{43}", text)
    assert text != make_key("crm", [Scope.READ])[0]


def test_the_line_of_a_key_is_read_as_that_key():
    text, key = make_key("crm", [Scope.UNDO, Scope.IMPORT, Scope.IMPORT])
    assert key.line == f"crm import,undo sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    assert parse_keys(f"{key.line}\n".encode()) == (key,)
    assert text not in repr(key)


def test_comments_and_blank_lines_are_skipped_and_names_may_repeat():
    content = f"# the CRM\n\n  crm   read {HASH}\r\n\tcrm read,import {OTHER}  # old\n"
    with pytest.raises(KeyFileError, match=r"^line 4: a line is a name"):
        parse_keys(content.encode())
    first, second = parse_keys(content.replace("  # old", "").encode())
    assert (first.name, second.name) == ("crm", "crm")
    assert second.scopes == {Scope.READ, Scope.IMPORT}
    assert parse_keys(b"# nothing\n") == ()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("crm", "a name, scopes and a hash"),
        (f"crm {HASH}", "a name, scopes and a hash"),
        (f"-crm read {HASH}", "the name"),
        (f"{'n' * 65} read {HASH}", "the name"),
        (f"größe read {HASH}", "the name"),
        (f"crm write {HASH}", "the scopes are some of import, read, undo, erase, metrics"),
        (f"crm read, {HASH}", "the scopes"),
        (f"crm READ {HASH}", "the scopes"),
        ("crm read cik_a_key_that_somebody_pasted_here", "the hash"),
        (f"crm read {HASH.upper()}", "the hash"),
        (f"crm read {HASH}0", "the hash"),
        (f"crm read {OTHER}", "the same key"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_but_not_quoted(line, reason):
    with pytest.raises(KeyFileError, match=rf"^line 2: .*{reason}") as caught:
        parse_keys(f"a read {OTHER}\n{line}\n".encode())
    assert "cik_" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_utf_8_is_refused():
    with pytest.raises(KeyFileError, match="UTF-8"):
        parse_keys(b"\xff")


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 65, "a\n"])
def test_a_key_is_not_made_with_a_name_that_cannot_be_read(name):
    with pytest.raises(KeyFileError, match="a name has"):
        make_key(name, [Scope.READ])


def test_a_key_is_found_by_its_text_alone():
    made = [make_key(name, [Scope.READ]) for name in "abc"]
    keys = [key for _, key in made]
    for text, key in made:
        assert find_key(keys, text) is key
        assert find_key(keys, text[:-1]) is None
        assert find_key(keys, key.sha256) is None
    for text in ("", "ä", "\udcff", "cik_"):
        assert find_key(keys, text) is None


def test_all_keys_are_compared_in_constant_time(monkeypatch):
    made = [make_key(name, [Scope.READ]) for name in "abc"]
    compared: list[str] = []

    def compare(known: str, sent: str) -> bool:
        compared.append(known)
        return hmac.compare_digest(known, sent)

    monkeypatch.setattr(api_key, "hmac", Mock(compare_digest=compare))
    keys = [key for _, key in made]
    assert find_key(keys, made[0][0]) is keys[0]
    assert compared == [key.sha256 for key in keys]


def test_hashes_are_compared_by_nothing_else(monkeypatch):
    """Were they compared with ==, this would find a key."""
    text, key = make_key("a", [Scope.READ])
    monkeypatch.setattr(api_key, "hmac", Mock(compare_digest=lambda *_: False))
    assert find_key([key], text) is None


def test_a_key_is_immutable():
    with pytest.raises(AttributeError):
        ApiKey("a", frozenset(), "").name = "b"  # type: ignore[misc]
