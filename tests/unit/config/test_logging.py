import json
import logging
import sys

import pytest
import structlog

from config.logging import configure_logging
from config.settings import API_KEY_PREFIX, Settings


@pytest.fixture(autouse=True)
def restored():
    """Logging is global: leave it as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    hook = sys.excepthook
    yield
    sys.excepthook = hook
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


KEY = "sb_secret_0123456789abcdef"
PASSWORD = "p@ss/w0rd"
DATABASE = "postgresql://u:p%40ss%2Fw0rd@h/db"
FORMATS = pytest.mark.parametrize("log_format", ["json", "console"])


def configure(**chosen):
    needed = {
        "supabase_url": "http://h",
        "supabase_service_role_key": KEY,
        "database_url": DATABASE,
    }
    configure_logging(Settings(**needed | chosen))


def last_line(capsys):
    return json.loads(capsys.readouterr().err.splitlines()[-1])


def test_an_event_is_one_line_with_the_bound_ids(capsys):
    configure()
    with structlog.contextvars.bound_contextvars(job_id="i", part=3):
        structlog.stdlib.get_logger("tasks").info("part finished", imported=5)
    line = last_line(capsys)
    assert (line["event"], line["imported"], line["level"]) == ("part finished", 5, "info")
    assert (line["job_id"], line["part"], line["logger"]) == ("i", 3, "tasks")


def test_library_log_lines_have_the_same_format(capsys):
    configure()
    with structlog.contextvars.bound_contextvars(part=3):
        logging.getLogger("dramatiq.worker").warning("Failed %s", "it")
    line = last_line(capsys)
    assert (line["event"], line["part"], line["level"]) == ("Failed it", 3, "warning")


def test_json_has_an_exception_in_one_line(capsys):
    configure()
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.stdlib.get_logger("tasks").exception("failed")
    assert "ZeroDivisionError" in last_line(capsys)["exception"]


def test_log_level_applies_and_verbose_libraries_are_quiet(capsys):
    configure(log_level="warning")
    structlog.stdlib.get_logger("tasks").info("not shown")
    assert capsys.readouterr().err == ""
    configure(log_level="info")
    logging.getLogger("httpx").info("not shown")
    assert capsys.readouterr().err == ""


def test_configure_logging_twice_does_not_duplicate_lines(capsys):
    configure()
    configure()
    logging.getLogger("x").warning("once")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_console_format_shows_key_and_value(capsys):
    configure(log_format="console")
    structlog.stdlib.get_logger("tasks").info("part finished", imported=5)
    assert "imported=5" in capsys.readouterr().err


HOSTILE = {
    "line": "a\n2026-01-01T00:00:00Z [info     ] import accepted",
    "return": "a\r\nb",
    "escape": "\x1b[2J\x1b]0;title\x07",
    "eight bits": "\x9b2J\x85",
    "delete": "a\x08\x7fb",
    "bidi": "\u202eevil\u2066\u200f",
    "separators": "a\u2028b\u2029c",
    "surrogate": "\ud800",
    "nul": "\0",
}


def log_in_each_way(text):
    structlog.stdlib.get_logger("x").info("event", value=text, more=[text], other={text: text})
    structlog.stdlib.get_logger("x").info(text)
    with structlog.contextvars.bound_contextvars(source=text):
        logging.getLogger("library").error("bad request: %s", text)
    logging.getLogger("library").error("bytes: %r", text.encode("utf-8", "surrogatepass"))


def error_with(text):
    """An exception whose text, cause and variables have it in them."""
    try:
        fail(ValueError(text), None)
    except ValueError as cause:
        try:
            fail(KeyError(text), cause)
        except KeyError as error:
            return error


def fail(error, cause):
    raise error from cause


@FORMATS
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_cannot_end_a_line_or_control_a_terminal(capsys, log_format, text):
    configure(log_format=log_format)
    log_in_each_way(text)
    lines = capsys.readouterr().err.split("\n")
    assert len(lines) == 5
    assert all(line.isprintable() for line in lines)


@FORMATS
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_of_an_exception_cannot_look_like_a_log_line(capsys, log_format, text):
    configure(log_format=log_format)
    structlog.stdlib.get_logger("x").error("broke", exc_info=error_with(text))
    logging.getLogger("library").error("broke", exc_info=error_with(text))
    lines = capsys.readouterr().err.rstrip("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    own = [line for line in lines if not line.startswith("    ")]
    assert len(own) == 2
    assert all("broke" in line for line in own)


def test_json_keeps_the_text_unchanged(capsys):
    configure(log_format="json")
    for text in HOSTILE.values():
        structlog.stdlib.get_logger("x").info("event", source=text)
        assert last_line(capsys)["source"] == text


@FORMATS
@pytest.mark.parametrize("secret", [KEY, PASSWORD, DATABASE, "p%40ss%2Fw0rd"])
def test_secrets_are_replaced_in_every_line(capsys, log_format, secret):
    configure(log_format=log_format, log_level="debug")
    log_in_each_way(f"Bearer {secret}")
    structlog.stdlib.get_logger("x").error("broke", exc_info=error_with(f"key={secret}"))
    logging.getLogger("httpcore.http11").debug("send_request_headers %s", secret)
    said = capsys.readouterr().err
    assert "[secret]" in said
    assert secret not in said


@FORMATS
def test_the_start_of_a_secret_is_replaced_too(capsys, log_format):
    """Details of errors are cut at some length."""
    configure(log_format=log_format)
    structlog.stdlib.get_logger("x").info(f"cut {KEY[:-1]}", rest=KEY[:17])
    said = capsys.readouterr().err
    assert KEY[:17] not in said
    assert "rest=" in said or '"rest"' in said


@FORMATS
def test_a_password_with_quotes_is_replaced(capsys, log_format):
    configure(log_format=log_format, database_url="postgresql://u:ab%22cd%5Cef'gh@h/db")
    structlog.stdlib.get_logger("x").info("event", value="ab\"cd\\ef'gh", more=["ab\"cd\\ef'gh"])
    logging.getLogger("library").error("bad password: %s", "ab\"cd\\ef'gh")
    said = capsys.readouterr().err
    assert said.count("[secret]") == 3
    assert "ef" not in said


@FORMATS
def test_a_short_secret_is_not_replaced(capsys, log_format):
    configure(log_format=log_format, supabase_service_role_key="e")
    structlog.stdlib.get_logger("x").info("event")
    assert "event" in capsys.readouterr().err


@FORMATS
def test_tracebacks_show_no_variables(capsys, log_format):
    configure(log_format=log_format)
    structlog.stdlib.get_logger("x").error("broke", exc_info=error_with("se" + "en"))
    said = capsys.readouterr().err
    assert "ValueError: seen" in said
    assert said.count("seen") == 2  # the cause and its consequence; no digits, as in timestamps


@FORMATS
def test_an_uncaught_exception_is_logged(capsys, log_format):
    configure(log_format=log_format)
    error = error_with(f"bad\x1b key {KEY}")
    sys.excepthook(type(error), error, error.__traceback__)
    said = capsys.readouterr().err
    assert "uncaught exception" in said.splitlines()[0]
    assert "KeyError" in said
    assert KEY not in said
    assert all(line.isprintable() for line in said.splitlines())


@FORMATS
@pytest.mark.parametrize("text", ["{}", "Authorization:\tBearer {}", "\n{}\x1b", "b'{}\\x00'"])
def test_no_line_has_an_api_key(capsys, log_format, text):
    configure(log_format=log_format)
    key = f"{API_KEY_PREFIX}MLbyKJsW-w7_nF0Gz1wBpVQ0z3o5m1x2c3v4b5n6m7A"
    logging.getLogger("aiohttp.server").error("bad header %r", text.format(key))
    logging.getLogger("aiohttp.server").error("cut off %s", text.format(key[:12]))
    logging.getLogger("aiohttp.server").error("a key", exc_info=ValueError(text.format(key)))
    lines = capsys.readouterr().err
    assert lines.count("[secret]") >= 3
    assert API_KEY_PREFIX not in lines
