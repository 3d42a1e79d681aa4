import json
import logging

import pytest
import structlog

from config.logs import configure_logging
from config.settings import Settings


@pytest.fixture(autouse=True)
def restored():
    """Logging is global: leave it as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


def configure(**chosen):
    configure_logging(
        Settings(
            supabase_url="http://h", supabase_service_role_key="k",
            database_url="postgresql://h/db", **chosen,
        )
    )  # fmt: skip


def last_line(capsys):
    return json.loads(capsys.readouterr().err.splitlines()[-1])


def test_an_event_is_one_line_with_the_bound_ids(capsys):
    configure()
    with structlog.contextvars.bound_contextvars(import_id="i", part=3):
        structlog.stdlib.get_logger("tasks").info("part done", imported=5)
    line = last_line(capsys)
    assert (line["event"], line["imported"], line["level"]) == ("part done", 5, "info")
    assert (line["import_id"], line["part"], line["logger"]) == ("i", 3, "tasks")


def test_lines_of_libraries_take_the_same_way(capsys):
    configure()
    with structlog.contextvars.bound_contextvars(part=3):
        logging.getLogger("dramatiq.worker").warning("Failed %s", "it")
    line = last_line(capsys)
    assert (line["event"], line["part"], line["level"]) == ("Failed it", 3, "warning")


def test_an_exception_stays_on_one_line(capsys):
    configure()
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.stdlib.get_logger("tasks").exception("failed")
    assert "ZeroDivisionError" in last_line(capsys)["exception"]


def test_the_level_counts_and_chatty_libraries_are_quiet(capsys):
    configure(log_level="warning")
    structlog.stdlib.get_logger("tasks").info("not shown")
    assert capsys.readouterr().err == ""
    configure(log_level="info")
    logging.getLogger("httpx").info("not shown")
    assert capsys.readouterr().err == ""


def test_configuring_twice_does_not_double_the_lines(capsys):
    configure()
    configure()
    logging.getLogger("x").warning("once")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_people_may_have_it_readable(capsys):
    configure(log_format="console")
    structlog.stdlib.get_logger("tasks").info("part done", imported=5)
    assert "imported=5" in capsys.readouterr().err
