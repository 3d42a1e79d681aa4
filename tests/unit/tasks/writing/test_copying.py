import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout

from config.errors import Permanent, Transient
from config.settings import Settings
from tasks.writing import copying
from tasks.writing.bisecting import TooMuch, too_much_told


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (errors.UniqueViolation("m"), Permanent, "23505"),
        (errors.CheckViolation("m"), Permanent, "23514"),
        (errors.InsufficientPrivilege("m"), Permanent, "42501"),
        (errors.DeadlockDetected("m"), Transient, "40P01"),
        (errors.AdminShutdown("m"), Transient, "57P01"),
        (errors.QueryCanceled("m"), Transient, "57014"),
        (psycopg.OperationalError("connection to 10.0.0.7 lost"), Transient, "08006"),
        (PoolTimeout("no connection"), Transient, "08006"),
    ],
)
def test_what_postgres_tells_is_ours_and_shows_no_address(raised, kind, code):
    with pytest.raises(kind) as error, copying._translated():
        raise raised
    assert (error.value.code, error.value.upstream) == (code, "database")
    assert "10.0.0.7" not in error.value.detail


def test_only_a_batch_can_be_too_much():
    with pytest.raises(TooMuch), too_much_told(), copying._translated():
        raise errors.QueryCanceled("canceling statement due to statement timeout")
    with pytest.raises(Permanent), too_much_told(), copying._translated():
        raise errors.CheckViolation("m")


def test_a_pool_opens_no_connection_before_one_is_needed():
    settings = Settings(
        supabase_url="http://supabase",
        supabase_service_role_key="key",
        database_url="postgresql://u@127.0.0.1:9/x",
        upstream_deadline=0.05,
    )
    with copying.connection_pool(settings) as pool:
        assert pool.get_stats()["pool_size"] == 0
        with pytest.raises(Transient), copying._translated(), pool.connection():
            pass
