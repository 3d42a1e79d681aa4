"""Which addresses are taken to tell somebody of an import's end."""

from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import webhook_targets as webhooks
from core.webhook_targets import MAX_URL, InvalidTargetError, Target, parse_target


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        ("https://example.com", Target("https", "example.com", 443, "/"), "example.com"),
        (
            "HTTPS://Example.COM:8443/hook?a=%20&b#part",
            Target("https", "example.com", 8443, "/hook?a=%20&b"),
            "example.com:8443",
        ),
        ("https://example.com?a=1", Target("https", "example.com", 443, "/?a=1"), "example.com"),
        ("https://8.8.8.8/x", Target("https", "8.8.8.8", 443, "/x"), "8.8.8.8"),
        (
            "https://[2606:4700::1111]:1/",
            Target("https", "2606:4700::1111", 1, "/"),
            "[2606:4700::1111]:1",
        ),
        ("https://a_b.example.", Target("https", "a_b.example.", 443, "/"), "a_b.example."),
        ("https://1.example/", Target("https", "1.example", 443, "/"), "1.example"),
    ],
)
def test_an_address_is_taken_apart(url, target, authority):
    assert parse_target(url, allow_private=False) == target
    assert target.authority == authority


NEVER = [
    "", "https://", "https:example.com", "//example.com", "example.com", "ftp://example.com",
    "file:///etc/passwd", "gopher://example.com/", "https://user@example.com",
    "https://user:pw@example.com", "https://example.com\\@10.0.0.1", "https://example.com ",
    "https://exa mple.com", "https://example.com/\r\nX: y", "https://example.com/\t",
    "https://exämple.com", "https://example.com:0", "https://example.com:65536",
    "https://example.com:x", "https://[::1", "https://[fe80::1%25eth0]/", "https://127.1/",
    "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/",
    "https://example.1/", "https://-a.com/", "https://a..b/", "https://.a/", "http://example.com",
    "https://" + "a" * 64 + ".com", "https://" + "a." * 127 + "aa",
    "https://e.com/" + "x" * MAX_URL,
]  # fmt: skip
IN_DEVELOPMENT = [
    "https://localhost/", "https://a.localhost./", "https://127.0.0.1/", "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[fd00::1]/", "https://0.0.0.0/", "https://224.0.0.1/",
]  # fmt: skip
TO_THIS_MACHINE = ["http://localhost:1/", "http://127.0.0.1:8080/hook", "http://[::1]:1/"]


def test_a_password_is_refused_as_what_it_is():
    with pytest.raises(InvalidTargetError, match="no user name and no password"):
        parse_target("https://user:pw@example.com", allow_private=False)


def test_a_bug_is_no_wrong_address(monkeypatch):
    monkeypatch.setattr(webhooks, "Target", Mock(side_effect=ValueError("a bug")))
    with pytest.raises(ValueError, match="a bug"):
        parse_target("https://example.com", allow_private=False)


@pytest.mark.parametrize("url", NEVER)
def test_what_is_never_taken(url):
    for allow_private in (False, True):
        with pytest.raises(InvalidTargetError):
            parse_target(url, allow_private=allow_private)


@pytest.mark.parametrize("url", IN_DEVELOPMENT + TO_THIS_MACHINE)
def test_what_is_taken_in_development_only(url):
    assert parse_target(url, allow_private=True)
    with pytest.raises(InvalidTargetError):
        parse_target(url, allow_private=False)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://192.168.0.1/", "http://8.8.8.8/"])
def test_nothing_leaves_this_machine_without_tls(url):
    with pytest.raises(InvalidTargetError):
        parse_target(url, allow_private=True)


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z0-9.:@\[\]/%-]{0,20}", fullmatch=True))
def test_any_text_is_taken_or_refused(url):
    try:
        target = parse_target(url, allow_private=True)
    except InvalidTargetError:
        return
    assert target.host.isascii()
    assert target.path.startswith("/")
