"""The folder that the workers of one master share for their metrics."""

import os
import subprocess
import sys

import pytest
from dramatiq.middleware import prometheus

from tasks.queue.metrics_folder import MetricsFolderError, folder_of, use_own_folder

PREFIX = f"contacts-importer-metrics-{os.getuid()}"


def test_a_folder_is_its_masters_and_private(tmp_path):
    own = folder_of(os.getpid(), tmp_path)
    assert own == folder_of(os.getpid(), tmp_path)
    assert own != folder_of(os.getppid(), tmp_path)
    assert own.stat().st_mode & 0o777 == 0o700


def test_folders_of_dead_masters_are_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = [tmp_path / f"{PREFIX}-{dead.pid}-1", tmp_path / f"{PREFIX}-{os.getpid()}-1"]
    others = [tmp_path / "contacts-importer-metrics-99999999-1-1", tmp_path / f"{PREFIX}-x"]
    for folder in (*left, *others):
        folder.mkdir()
        (folder / "counter_1.db").write_bytes(b"")
    own, parents = folder_of(os.getpid(), tmp_path), folder_of(os.getppid(), tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([own, parents, *others])


@pytest.mark.parametrize("kind", ["link", "open", "file"])
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path, kind):
    own = folder_of(os.getpid(), tmp_path)
    own.rmdir()
    match kind:
        case "link":
            (tmp_path / "theirs").mkdir(mode=0o700)
            own.symlink_to(tmp_path / "theirs")
        case "open":
            own.mkdir()
            own.chmod(0o777)
        case "file":
            own.write_text("")
    with pytest.raises(MetricsFolderError, match="remove it"):
        folder_of(os.getpid(), tmp_path)


def test_a_folder_that_the_environment_names_is_used_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(prometheus, "DB_PATH", "theirs")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("dramatiq_prom_db", "theirs")
    use_own_folder()
    assert prometheus.DB_PATH == "theirs"
    monkeypatch.delenv("dramatiq_prom_db")
    use_own_folder()
    assert str(folder_of(os.getppid())) == prometheus.DB_PATH
