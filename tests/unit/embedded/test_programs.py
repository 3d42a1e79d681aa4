from functools import partial

import pytest

from embedded.errors import StackError
from embedded.programs import postgres_programs as find_programs


def install(folder, version):
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version} (Debian)'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def postgres_programs(tmp_path, monkeypatch):
    """The function, for a machine on which nothing is installed."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return partial(find_programs, debian=tmp_path / "debian")


def test_postgres_programs_in_a_folder(postgres_programs, tmp_path):
    folder = install(tmp_path / "mine", "16.2")
    found = postgres_programs(str(folder), None)
    assert (found.folder, found.version, found.major) == (folder, "16.2", 16)
    assert str(found) == f"Postgres 16.2 ({folder})"


def test_major_of_a_development_version(postgres_programs, tmp_path):
    assert postgres_programs(str(install(tmp_path / "next", "19beta1")), None).major == 19


def test_a_folder_without_the_programs_raises_stack_error(postgres_programs, tmp_path):
    with pytest.raises(StackError, match="is not a folder with the programs of Postgres"):
        postgres_programs(str(tmp_path), None)


def test_the_newest_version_of_debian_is_chosen(postgres_programs, tmp_path):
    install(tmp_path / "debian" / "9.6" / "bin", "9.6.1")
    newest = install(tmp_path / "debian" / "17" / "bin", "17.1")
    install(tmp_path / "debian" / "16" / "bin", "16.1")
    (tmp_path / "debian" / "18" / "bin").mkdir(parents=True)  # clients alone
    install(tmp_path / "debian" / "17.old" / "bin", "17.1")
    assert postgres_programs("path", None).folder == newest


def test_the_path_goes_before_debian_and_links_are_followed(postgres_programs, tmp_path):
    install(tmp_path / "debian" / "17" / "bin", "17.1")
    chosen = install(tmp_path / "chosen", "15.3")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "postgres").symlink_to(chosen / "postgres")
    assert postgres_programs("path", None).folder == chosen


def test_without_postgres_the_error_says_how_to_install_it(postgres_programs):
    with pytest.raises(StackError, match="apt-get install postgresql"):
        postgres_programs("path", None)


def test_a_version_that_is_too_old_raises_stack_error(postgres_programs, tmp_path):
    with pytest.raises(StackError, match=r"Postgres 14\.9 \(.*\) is too old"):
        postgres_programs(str(install(tmp_path / "old", "14.9")), None)
