"""Requests to webhooks, over real connections."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from core.webhook_targets import Target, parse_target
from tasks.webhooks.send import DeliveryError, PrivateAddressError, Response, Sender
from tests.support.webhook_receiver import Receiver

HEADERS = {"webhook-id": "msg_1"}
HERE = ip_address("127.0.0.1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as receiver:
        yield receiver


def target(url: str) -> Target:
    return parse_target(url, allow_private=True)


def lenient(**options) -> Sender:
    return Sender(allow_private=True, **options)


@contextlib.contextmanager
def talking(*pieces: bytes, for_ever: bool = False) -> Iterator[int]:
    """Run a server that sends these bytes to its first client; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as peer:
                for piece in pieces:
                    peer.sendall(piece)
                while for_ever:
                    peer.sendall(b"x")

        thread = threading.Thread(target=talk)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_webhook_body_arrives_unchanged(receiver):
    answer = lenient().post(target(f"{receiver.url}/hook?a=1"), HEADERS, b'{"a":1}')
    request = receiver.requests.get(timeout=30)
    assert answer == Response(204)
    assert (request.path, request.body) == ("/hook?a=1", b'{"a":1}')
    assert request.headers["webhook-id"] == "msg_1"
    assert request.headers["host"] == receiver.url.removeprefix("http://")
    assert request.headers["user-agent"] == "contacts-importer"
    assert "transfer-encoding" not in request.headers


def test_the_lookup_of_the_name_is_within_the_deadline(receiver):
    """The system's own limit may be much longer."""
    found = threading.Event()

    def resolve(host, port):
        found.wait(60)
        return [HERE]

    named = Target("http", "hook.example", 80, "/")
    with pytest.raises(DeliveryError, match="not found in time"):
        lenient(resolve=resolve, seconds=0.05).post(named, HEADERS, b"")
    assert receiver.requests.empty()
    found.set()


def test_webhook_is_sent_to_the_resolved_address_with_the_name_as_host(receiver):
    port = int(receiver.url.rpartition(":")[2])
    resolved = []

    def resolve(host, port):
        resolved.append((host, port))
        return [HERE]

    named = Target("http", "hook.example", port, "/")
    assert lenient(resolve=resolve).post(named, HEADERS, b"").status == 204
    assert receiver.requests.get(timeout=30).headers["host"] == f"hook.example:{port}"
    assert resolved == [("hook.example", port)]


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:127.0.0.1"]]
)
def test_webhook_to_a_name_in_a_private_network_is_not_sent(receiver, addresses):
    port = int(receiver.url.rpartition(":")[2])
    strict = Sender(allow_private=False, resolve=lambda *_: list(map(ip_address, addresses)))
    with pytest.raises(PrivateAddressError):
        strict.post(Target("https", "hook.example", port, "/"), HEADERS, b"")
    assert receiver.requests.empty()


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/", "https://[::1]:1/", "https://10.0.0.1/"])
def test_webhook_to_an_address_in_a_private_network_is_not_sent(url):
    with pytest.raises(PrivateAddressError):
        Sender(allow_private=False).post(target(url), HEADERS, b"")


def test_webhook_to_localhost_is_sent_only_if_private_addresses_are_allowed(receiver):
    url = receiver.url.replace("127.0.0.1", "localhost")
    assert lenient().post(target(url), HEADERS, b"").status == 204
    with pytest.raises(PrivateAddressError):
        Sender(allow_private=False).post(target(url), HEADERS, b"")


def test_webhook_tries_the_next_address(receiver):
    port = int(receiver.url.rpartition(":")[2])
    both = lenient(resolve=lambda *_: [ip_address("::1"), HERE])
    assert both.post(Target("http", "hook.example", port, "/"), HEADERS, b"").status == 204


def test_webhook_follows_no_redirect(receiver):
    receiver.statuses, receiver.headers = [302], {"Location": f"{receiver.url}/elsewhere"}
    assert lenient().post(target(receiver.url), HEADERS, b"").status == 302
    assert receiver.requests.qsize() == 1


def test_webhook_uses_no_proxy(receiver, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert lenient().post(target(receiver.url), HEADERS, b"").status == 204


@pytest.mark.parametrize(
    ("named", "seconds"),
    [
        ("17", 17), ("0", 0), ("Wed, 21 Oct 2020 07:28:00 GMT", 0),
        ("\u00b2", None), ("soon", None), ("-1", None),
    ],
)  # fmt: skip
def test_webhook_response_has_retry_after_in_seconds(receiver, named, seconds):
    receiver.statuses, receiver.headers = [429], {"Retry-After": named}
    assert lenient().post(target(receiver.url), HEADERS, b"") == Response(429, seconds)


def test_webhook_response_body_is_not_read():
    with talking(b"HTTP/1.1 200 OK\r\n\r\n", for_ever=True) as port:
        assert lenient().post(target(f"http://127.0.0.1:{port}"), HEADERS, b"").status == 200


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
        b"HTTP/1.1 100 Continue\r\n",
    ],
)
def test_webhook_response_that_is_not_http_is_a_delivery_error(response):
    with talking(response) as port, pytest.raises(DeliveryError, match="there was no response"):
        lenient(seconds=5).post(target(f"http://127.0.0.1:{port}"), HEADERS, b"")


def test_webhook_response_head_has_a_deadline():
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000
    with talking(interim, b"HTTP/1.1 103 Early Hints\r\n") as port, pytest.raises(DeliveryError):
        lenient(seconds=0.2).post(target(f"http://127.0.0.1:{port}"), HEADERS, b"")


def test_webhook_without_a_response_has_a_deadline():
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = target(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(DeliveryError, match="ReadTimeout"):
            lenient(seconds=0.1).post(silent, HEADERS, b"")


def test_webhook_to_a_closed_port_is_a_delivery_error():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DeliveryError, match="ConnectError"):
        lenient().post(target(f"http://127.0.0.1:{port}"), HEADERS, b"")


def test_webhook_to_an_unknown_host_is_a_delivery_error():
    with pytest.raises(DeliveryError, match="the host is unknown"):
        lenient().post(Target("https", "nobody.invalid", 443, "/"), HEADERS, b"")


def test_webhook_with_https_uses_tls(receiver):
    with pytest.raises(DeliveryError):
        lenient().post(target(receiver.url.replace("http:", "https:")), HEADERS, b"")
    assert receiver.requests.empty()
