import pytest

from tasks import __main__ as command


@pytest.fixture
def run(monkeypatch):
    """Runs the command; gives the exit code and the threads it asked for."""

    def with_arguments(*arguments):
        threads = []
        monkeypatch.setattr(command, "run_once", lambda count: threads.append(count) or 0)
        monkeypatch.setattr(command, "sweep_now", lambda: threads.append("swept") or 0)
        monkeypatch.setattr("sys.argv", ["tasks", *arguments])
        return command.main(), threads

    return with_arguments


def test_once_works_with_as_many_threads_as_it_is_told(run):
    assert run("--once", "--threads", "7") == (0, [7])


def test_once_has_a_default(run):
    code, (threads,) = run("--once")
    assert code == 0
    assert threads >= 1


def test_without_once_it_only_tells_what_it_can_do(run, capsys):
    assert run() == (2, [])
    assert "--once" in capsys.readouterr().err


def test_sweep_sweeps(run):
    assert run("--sweep") == (0, ["swept"])


def test_it_does_one_thing_at_a_time(run):
    with pytest.raises(SystemExit) as end:
        run("--sweep", "--once")
    assert end.value.code == 2


@pytest.mark.parametrize("threads", ["0", "-1", "many"])
def test_a_nonsensical_number_of_threads_is_refused(run, threads):
    with pytest.raises(SystemExit) as end:
        run("--once", "--threads", threads)
    assert end.value.code == 2
