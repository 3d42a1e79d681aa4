import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout

from config.settings import Settings
from core.errors import BatchTooLargeError, PermanentError, TransientError
from core.supabase.errors import translate_size_errors
from tasks.writing import copy as copying


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (errors.UniqueViolation("m"), PermanentError, "23505"),
        (errors.CheckViolation("m"), PermanentError, "23514"),
        (errors.InsufficientPrivilege("m"), PermanentError, "42501"),
        (errors.DeadlockDetected("m"), TransientError, "40P01"),
        (errors.AdminShutdown("m"), TransientError, "57P01"),
        (errors.QueryCanceled("m"), TransientError, "57014"),
        (psycopg.OperationalError("connection to 10.0.0.7 lost"), TransientError, "08006"),
        (PoolTimeout("no connection"), TransientError, "08006"),
    ],
)
def test_errors_of_psycopg_become_ours_and_show_no_address(raised, kind, code):
    with pytest.raises(kind) as error, copying.translate_psycopg_errors():
        raise raised
    assert (error.value.code, error.value.upstream) == (code, "database")
    assert "10.0.0.7" not in error.value.detail


def test_only_a_timeout_means_that_a_batch_is_too_large():
    with (
        pytest.raises(BatchTooLargeError),
        translate_size_errors(),
        copying.translate_psycopg_errors(),
    ):
        raise errors.QueryCanceled("canceling statement due to statement timeout")
    with pytest.raises(PermanentError), translate_size_errors(), copying.translate_psycopg_errors():
        raise errors.CheckViolation("m")


def test_the_pool_connects_when_a_connection_is_needed():
    settings = Settings(
        supabase_url="http://supabase",
        supabase_service_role_key="key",
        database_url="postgresql://u@127.0.0.1:9/x",
        upstream_deadline=0.05,
    )
    with copying.connection_pool(settings) as pool:
        assert pool.get_stats()["pool_size"] == 0
        with pytest.raises(TransientError), copying.translate_psycopg_errors(), pool.connection():
            pass
