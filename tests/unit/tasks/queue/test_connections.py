import re

import pytest

from config.settings import Settings, SettingsError
from tasks.queue import connections as module
from tasks.queue.connections import DeferredPool, QueueConnection, connection_arguments


def settings(url):
    return Settings(
        supabase_url="http://supabase", supabase_service_role_key="key", database_url=url
    )


def test_parameters_that_libpq_knows_are_passed_on():
    found = connection_arguments(
        settings("postgresql://u:p%40ss@db:5433/x?sslmode=require&application_name=mine")
    )
    assert found == {
        "user": "u", "password": "p@ss", "host": "db", "port": "5433", "dbname": "x",
        "sslmode": "require", "application_name": "mine", "connect_timeout": 10,
        "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
        "tcp_user_timeout": 25_000, "connection_factory": QueueConnection,
    }  # fmt: skip


def test_parameters_in_the_address_override_our_defaults():
    found = connection_arguments(settings("postgresql://u@db/x?keepalives_idle=99"))
    assert found["keepalives_idle"] == "99"


def test_keepalives_detect_a_vanished_machine_within_a_minute_at_both_ends():
    client = connection_arguments(settings("postgresql://u@db/x"))
    server = dict(re.findall(r"set (\w+) = (\d+);", module.SERVER_KEEPALIVES))
    for idle, interval, count in (
        (client[f"keepalives_{name}"] for name in ("idle", "interval", "count")),
        (int(server[f"tcp_keepalives_{name}"]) for name in ("idle", "interval", "count")),
    ):
        assert idle + interval * count <= 30
    assert int(server["tcp_user_timeout"]) <= 30_000


def test_a_unix_socket_is_a_valid_address():
    assert connection_arguments(settings("postgresql:///x?host=/run/pg"))["host"] == "/run/pg"


def test_a_parameter_that_libpq_does_not_know_is_a_settings_error():
    with pytest.raises(SettingsError) as error:
        connection_arguments(settings("postgresql://u:secret@db/x?pgbouncer=true"))
    assert len(error.value.lines) == 1
    assert error.value.lines[0].startswith("DATABASE_URL must")
    assert "secret" not in str(error.value)


def test_opening_the_pool_does_not_connect_and_it_is_large_enough_for_all_threads():
    pool = DeferredPool()
    pool.open({"host": "nowhere.invalid"}, queues=3, threads=5)
    assert pool._opened().maxconn == 3 * 4 + 4 + 5
    assert pool.minconn == 3 * 4 + 1
    pool.close()
    pool.close()


def test_a_pool_that_is_not_open_raises():
    with pytest.raises(RuntimeError, match="worker process"):
        DeferredPool().getconn()
