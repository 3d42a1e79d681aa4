"""check_source: valid and invalid sources."""

import pytest

from core.errors import MalformedInputError
from service.option_names import (
    IMPORT_OPTIONS,
    MAX_SOURCE_LENGTH,
    check_option_names,
    check_source,
    is_option_like,
    option_in_body,
)

GOOD = [
    "s",
    "CRM export 2026",
    "Zoë's 名刺 📇",
    "a\u00a0b",
    "x" * MAX_SOURCE_LENGTH,
    "'; drop table",
]
BAD = [
    None, 5, True, ["s"], {}, b"s", "", " ", "\u3000", "x" * (MAX_SOURCE_LENGTH + 1),
    "a\x00b", "a\nb", "a\tb", "\x7f", "a\x85b", "a\u2028b", "a\u2029b", "\ud800",
    "a\u202egnp.exe", "a\u200bb", "\ufeffa", "a\u00adb", "a\u2066b", "a\u200fb",
]  # fmt: skip


@pytest.mark.parametrize("source", GOOD)
def test_check_source_returns_a_valid_source(source):
    assert check_source(source) == source


@pytest.mark.parametrize("source", BAD, ids=repr)
def test_check_source_rejects(source):
    with pytest.raises(MalformedInputError) as caught:
        check_source(source)
    assert caught.value.code == "source_invalid"


def test_an_unknown_option_is_named_as_param():
    with pytest.raises(MalformedInputError) as caught:
        check_option_names(["dryrun"], IMPORT_OPTIONS, "query parameter")
    assert (caught.value.code, caught.value.param) == ("unknown_option", "dryrun")
    error = option_in_body("dry_run")
    assert (error.code, error.param) == ("unknown_option", "dry_run")


@pytest.mark.parametrize("option", IMPORT_OPTIONS)
def test_an_option_resembles_itself(option):
    assert is_option_like(option) == (option not in {"source", "name"})


@pytest.mark.parametrize("key", ["emails", "headers", "encodings", "email_count", "heade"])
def test_other_keys_may_resemble_plain_words(key):
    assert not is_option_like(key)
