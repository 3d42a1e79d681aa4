import pytest

from tasks import __main__ as command


@pytest.fixture
def run(monkeypatch):
    """Runs the command; returns its exit code and what it has called."""

    def with_arguments(*arguments):
        calls = []
        monkeypatch.setattr(command, "run_once", lambda threads: calls.append(threads) or 0)
        monkeypatch.setattr(command, "sweep_once", lambda: calls.append("swept") or 0)
        monkeypatch.setattr("sys.argv", ["tasks", *arguments])
        return command.main(), calls

    return with_arguments


def test_once_passes_on_the_number_of_threads(run):
    assert run("--once", "--threads", "7") == (0, [7])


def test_once_has_a_default_number_of_threads(run):
    code, (threads,) = run("--once")
    assert code == 0
    assert threads >= 1


def test_without_an_action_it_prints_help_and_exits_with_2(run, capsys):
    assert run() == (2, [])
    assert "--once" in capsys.readouterr().err


def test_sweep_sweeps(run):
    assert run("--sweep") == (0, ["swept"])


def test_once_and_sweep_exclude_each_other(run):
    with pytest.raises(SystemExit) as end:
        run("--sweep", "--once")
    assert end.value.code == 2


@pytest.mark.parametrize("threads", ["0", "-1", "many"])
def test_an_invalid_number_of_threads_is_an_error(run, threads):
    with pytest.raises(SystemExit) as end:
        run("--once", "--threads", threads)
    assert end.value.code == 2
