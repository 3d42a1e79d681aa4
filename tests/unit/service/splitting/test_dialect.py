import pytest
from service.splitting.dialect import parse_charset, parse_delimiter, parse_mapping

from core.errors import MalformedInputError


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [(";", ";"), (",", ","), ("|", "|"), ("\t", "\t"), ("tab", "\t"), ("TAB", "\t"), ("^", "^"),
     ("semicolon", ";"), ("pipe", "|"), ("comma", ",")],
)  # fmt: skip
def test_parse_delimiter(text, delimiter):
    assert parse_delimiter(text) == delimiter


@pytest.mark.parametrize("text", ["", ";;", '"', "\n", "a", "tabs", "é", " "])
def test_parse_delimiter_rejects(text):
    with pytest.raises(MalformedInputError) as caught:
        parse_delimiter(text)
    assert caught.value.code == "delimiter_invalid"


def test_parse_mapping_splits_at_the_last_colon():
    mapping = parse_mapping(["Nom:name", "a:b:email"])
    assert mapping == (("Nom", "name"), ("a:b", "email"))


@pytest.mark.parametrize(
    "texts",
    [[""], ["Nom"], [":name"], ["Nom:"], ["Nom:phone"], ["a:name", "b:name"],
     ["a:name", "b:first_name"]],
)  # fmt: skip
def test_parse_mapping_rejects(texts):
    with pytest.raises(MalformedInputError) as caught:
        parse_mapping(texts)
    assert caught.value.code == "mapping_invalid"


@pytest.mark.parametrize(
    ("text", "charset"),
    [("UTF-8", "utf-8"), ("ascii", "utf-8"), (" utf-16 ", "utf-16"), ("CP1252", "windows-1252"),
     ("ISO-8859-1", "windows-1252"), ("utf-16be", "utf-16be"), ("utf-7", None), ("x" * 99, None)],
)  # fmt: skip
def test_parse_charset(text, charset):
    assert parse_charset(text) == charset
