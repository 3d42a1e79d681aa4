"""One request to whom a client has named, over real connections."""

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
    """A server that says this to the first who comes, whatever that wants; tells its port."""
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


def test_the_body_arrives_as_it_is(receiver):
    answer = lenient().post(target(f"{receiver.url}/hook?a=1"), HEADERS, b'{"a":1}')
    told = receiver.requests.get(timeout=30)
    assert answer == Response(204)
    assert (told.path, told.body) == ("/hook?a=1", b'{"a":1}')
    assert told.headers["webhook-id"] == "msg_1"
    assert told.headers["host"] == receiver.url.removeprefix("http://")
    assert told.headers["user-agent"] == "contacts-importer"
    assert "transfer-encoding" not in told.headers


def test_it_goes_to_the_address_that_was_looked_at_and_bears_the_name(receiver):
    port = int(receiver.url.rpartition(":")[2])
    asked = []

    def resolve(host, port):
        asked.append((host, port))
        return [HERE]

    named = Target("http", "hook.example", port, "/")
    assert lenient(resolve=resolve).post(named, HEADERS, b"").status == 204
    assert receiver.requests.get(timeout=30).headers["host"] == f"hook.example:{port}"
    assert asked == [("hook.example", port)]


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:127.0.0.1"]]
)
def test_a_name_that_leads_into_a_private_network_is_not_followed(receiver, addresses):
    port = int(receiver.url.rpartition(":")[2])
    strict = Sender(allow_private=False, resolve=lambda *_: list(map(ip_address, addresses)))
    with pytest.raises(PrivateAddressError):
        strict.post(Target("https", "hook.example", port, "/"), HEADERS, b"")
    assert receiver.requests.empty()


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/", "https://[::1]:1/", "https://10.0.0.1/"])
def test_nor_is_an_address_in_one(url):
    with pytest.raises(PrivateAddressError):
        Sender(allow_private=False).post(target(url), HEADERS, b"")


def test_localhost_is_known_to_the_system_and_private(receiver):
    url = receiver.url.replace("127.0.0.1", "localhost")
    assert lenient().post(target(url), HEADERS, b"").status == 204
    with pytest.raises(PrivateAddressError):
        Sender(allow_private=False).post(target(url), HEADERS, b"")


def test_the_next_address_is_tried_where_one_does_not_answer(receiver):
    port = int(receiver.url.rpartition(":")[2])
    both = lenient(resolve=lambda *_: [ip_address("::1"), HERE])
    assert both.post(Target("http", "hook.example", port, "/"), HEADERS, b"").status == 204


def test_redirects_are_not_followed(receiver):
    receiver.statuses, receiver.headers = [302], {"Location": f"{receiver.url}/elsewhere"}
    assert lenient().post(target(receiver.url), HEADERS, b"").status == 302
    assert receiver.requests.qsize() == 1


def test_no_proxy_is_asked(receiver, monkeypatch):
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
def test_a_time_that_is_named_is_told(receiver, named, seconds):
    receiver.statuses, receiver.headers = [429], {"Retry-After": named}
    assert lenient().post(target(receiver.url), HEADERS, b"") == Response(429, seconds)


def test_a_body_without_an_end_is_not_read():
    with talking(b"HTTP/1.1 200 OK\r\n\r\n", for_ever=True) as port:
        assert lenient().post(target(f"http://127.0.0.1:{port}"), HEADERS, b"").status == 200


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
        b"HTTP/1.1 100 Continue\r\n",
    ],
)
def test_what_is_no_answer_is_a_failure(said):
    with talking(said) as port, pytest.raises(DeliveryError, match="there was no response"):
        lenient(seconds=5).post(target(f"http://127.0.0.1:{port}"), HEADERS, b"")


def test_a_head_that_never_ends_has_a_time_to_end_in():
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000
    with talking(interim, b"HTTP/1.1 103 Early Hints\r\n") as port, pytest.raises(DeliveryError):
        lenient(seconds=0.2).post(target(f"http://127.0.0.1:{port}"), HEADERS, b"")


def test_silence_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = target(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(DeliveryError, match="ReadTimeout"):
            lenient(seconds=0.1).post(silent, HEADERS, b"")


def test_nobody_is_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DeliveryError, match="ConnectError"):
        lenient().post(target(f"http://127.0.0.1:{port}"), HEADERS, b"")


def test_no_name_no_address():
    with pytest.raises(DeliveryError, match="the host is unknown"):
        lenient().post(Target("https", "nobody.invalid", 443, "/"), HEADERS, b"")


def test_tls_is_not_left_out(receiver):
    with pytest.raises(DeliveryError):
        lenient().post(target(receiver.url.replace("http:", "https:")), HEADERS, b"")
    assert receiver.requests.empty()
