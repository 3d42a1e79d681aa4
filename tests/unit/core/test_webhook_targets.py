from ipaddress import ip_address
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import webhook_targets
from core.errors import InvalidTargetError
from core.special_addresses import is_public
from core.webhook_targets import MAX_URL, Target, parse_target


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
def test_parse_target_splits_an_address(url, target, authority):
    assert parse_target(url, allow_private=False) == target
    assert target.authority == authority


INVALID = [
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
PRIVATE_TARGETS = [
    "https://localhost/", "https://a.localhost./", "https://127.0.0.1/", "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[fd00::1]/", "https://0.0.0.0/", "https://224.0.0.1/",
]  # fmt: skip
LOCAL_TARGETS = ["http://localhost:1/", "http://127.0.0.1:8080/hook", "http://[::1]:1/"]


def test_parse_target_rejects_a_password_with_its_reason():
    with pytest.raises(InvalidTargetError, match="no user name and no password"):
        parse_target("https://user:pw@example.com", allow_private=False)


def test_parse_target_does_not_hide_a_bug(monkeypatch):
    monkeypatch.setattr(webhook_targets, "Target", Mock(side_effect=ValueError("a bug")))
    with pytest.raises(ValueError, match="a bug"):
        parse_target("https://example.com", allow_private=False)


@pytest.mark.parametrize("url", INVALID)
def test_parse_target_rejects_invalid_addresses(url):
    for allow_private in (False, True):
        with pytest.raises(InvalidTargetError):
            parse_target(url, allow_private=allow_private)


@pytest.mark.parametrize("url", PRIVATE_TARGETS + LOCAL_TARGETS)
def test_parse_target_accepts_private_addresses_only_if_allowed(url):
    assert parse_target(url, allow_private=True)
    with pytest.raises(InvalidTargetError):
        parse_target(url, allow_private=False)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://192.168.0.1/", "http://8.8.8.8/"])
def test_parse_target_rejects_http_to_other_machines(url):
    with pytest.raises(InvalidTargetError):
        parse_target(url, allow_private=True)


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z0-9.:@\[\]/%-]{0,20}", fullmatch=True))
def test_parse_target_accepts_or_rejects_any_text(url):
    try:
        target = parse_target(url, allow_private=True)
    except InvalidTargetError:
        return
    assert target.host.isascii()
    assert target.path.startswith("/")


PUBLIC = [
    "8.8.8.8", "1.1.1.1", "193.0.6.139", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e",
    "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip
PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1",
    "168.63.129.16",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808", "2002:7f00:1::1",
    "2002:a00:1::", "2001::1", "2001:db8::1", "100::1", "fc00::1", "fd12:3456::1", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "4000::1", "3fff::1", "3fff:fff::1",
    "192.0.0.8", "192.0.0.9", "192.0.0.192", "192.88.99.1", "100.100.100.200", "fd00:ec2::254",
    "2001:20::1", "2001:30::1", "2620:4f:8000::1", "5f00::1", "64:ff9b::a83f:8110",
    "192.31.196.1", "192.52.193.1", "192.175.48.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_is_public_accepts_public_addresses(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_is_public_rejects_all_others(address):
    assert not is_public(ip_address(address))
