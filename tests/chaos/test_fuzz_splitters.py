"""Atheris on the splitters and the workers' parsing: see fuzz_splitters.py, which it runs."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.processes import PROJECT
from tests.chaos.conftest import SEED
from tests.chaos.fuzz_seeds import ARRAYS, CSVS, ENVELOPES, LINES, TOKENS
from tests.chaos.progress import Progress
from tests.chaos.stack import seeded_random

RUNS = 20_000
SECONDS = 30
"""The end, on a slow machine, whatever the number of runs."""
MAX_BODY = 10_000
BOUNDS = range(4)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("atheris") is None,
        reason="atheris has no wheel for this platform and Python",
    ),
]


@pytest.mark.timeout(SECONDS + 120)
def test_no_body_is_split_or_parsed_wrongly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], run: int
) -> None:
    progress = Progress(capsys)
    progress.show(f"\nCHAOS_SEED={SEED}, run {run}")
    dictionary = tmp_path / "tokens"
    dictionary.write_text("".join(map(quoted, TOKENS)))
    options = {
        "atheris_runs": RUNS,
        "max_total_time": SECONDS,
        "max_len": MAX_BODY,
        "seed": seeded_random(f"{SEED} {run}").getrandbits(31) or 1,
        "seed_inputs": ",".join(write_corpus(tmp_path)),
        "dict": dictionary,
        "artifact_prefix": f"{tmp_path}/",
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    code, output = fuzz(arguments, progress)
    assert code == 0, output
    assert "Done " in output


def fuzz(arguments: list[str], progress: Progress) -> tuple[int, str]:
    """Run the harness; returns its exit code and the end of what it wrote."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.fuzz_splitters", *arguments],
        cwd=PROJECT,
        env={**os.environ, "PYTHONHASHSEED": "0"},  # or no seed would replay a run
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout
    with process.stdout as lines:
        output = list(shown(lines, progress))
    return process.wait(60), "".join(output[-60:])


def shown(lines: Iterator[str], progress: Progress) -> Iterator[str]:
    """The lines; one of libFuzzer's own is shown every few seconds."""
    for line in lines:
        if line.startswith("#"):
            progress.show_sometimes(line.rstrip())
        yield line


def write_corpus(folder: Path) -> Iterator[str]:
    """Bodies to begin with, each with every bound; see fuzz_splitters.py for the last bytes."""
    for form, seeds in enumerate((ENVELOPES, ARRAYS, CSVS, LINES)):
        for number, body in enumerate(seeds):
            for bound in BOUNDS:
                file = folder / f"{form}-{number}-{bound}"
                file.write_bytes(body + bytes([form, bound, 30 * bound, 6, 40, 3]))
                yield str(file)


def quoted(token: bytes) -> str:
    """A line of libFuzzer's dictionary."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n'
