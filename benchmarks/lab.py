"""The environment of the scenarios."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contacts import Kind, Profile
from benchmarks.data import KEPT, DataSet
from benchmarks.errors import BenchmarkError
from benchmarks.importer import POSTGREST, WRITERS, Importer, running_importer, writer_known
from benchmarks.measure import Say
from benchmarks.server import Server, chosen_server
from embedded.errors import StackError
from embedded.programs import ON_PATH, WHEEL, postgres_programs


@dataclass(frozen=True)
class Options:
    """The options of the command."""

    rows: int = 1_000_000
    rounds: int = 5
    profile: Profile = Profile.PLAIN
    seed: int = 1
    kinds: tuple[Kind, ...] = (Kind.JSON, Kind.CSV)
    writers: tuple[str, ...] = WRITERS
    postgres: str = WHEEL
    erase: bool = False
    contacts: tuple[int, ...] = ()
    """Sizes of the table before an import, in rising order; by default ten times ``rows``."""


@dataclass(frozen=True)
class Lab:
    """A running Supabase, a folder for files, and the options."""

    server: Server
    folder: Path
    options: Options
    psql: Path
    say: Say

    def data(self, rows: int | None = None, profile: Profile | None = None) -> DataSet:
        """Return the data set that the options choose, with another number or profile if given."""
        options = self.options
        return DataSet(profile or options.profile, rows or options.rows, options.seed)

    @property
    def writers(self) -> list[str]:
        """The chosen writers that this version of the importer has."""
        return [writer for writer in self.options.writers if writer_known(writer)]

    @property
    def writer(self) -> str:
        """The writer for scenarios that need only one: the default, if it is chosen."""
        return POSTGREST if POSTGREST in self.writers else self.writers[0]

    @property
    def missing(self) -> list[str]:
        """Return notes about chosen writers that this version does not have."""
        return [
            f"Left out: this version has no writer {writer!r}."
            for writer in self.options.writers
            if not writer_known(writer)
        ]

    def importer(
        self, module: str = "service", environment: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Importer]:
        """Run a new service, or a module that wraps it, with its logs in the folder."""
        return running_importer(self.server, self.folder, module, environment or {})


@contextlib.contextmanager
def opened_lab(options: Options, say: Say) -> Iterator[Lab]:
    """Start what all scenarios share, in a new folder that is removed at the end."""
    folder = KEPT / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with chosen_server(folder / "supabase", options.postgres, erase=options.erase) as server:
        yield Lab(server, folder, options, find_psql(options.postgres), say)
    shutil.rmtree(folder, ignore_errors=True)


def find_psql(postgres: str) -> Path:
    """Return the psql of the chosen Postgres, on the PATH, or of the wheel."""
    for choice in (postgres, ON_PATH, WHEEL):
        with contextlib.suppress(StackError):
            psql = postgres_programs(choice, None).folder / "psql"
            if psql.exists():
                return psql
    if found := shutil.which("psql"):
        return Path(found)
    raise BenchmarkError("There is no psql, which the baselines need.")
