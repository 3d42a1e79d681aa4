"""Atheris on the splitters and on the workers' parsing: runs fuzz_splitters.py."""

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
"""The test ends then on a slow machine, whatever the number of runs."""
MAX_BODY = 10_000
LIMITS = range(4)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("atheris") is None,
        reason="atheris has no wheel for this platform and Python",
    ),
]


@pytest.mark.timeout(SECONDS + 120)
def test_fuzzed_bodies_are_split_and_parsed_as_in_the_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], run: int
) -> None:
    progress = Progress(capsys)
    progress.show(f"\nCHAOS_SEED={SEED}, run {run}")
    dictionary = tmp_path / "tokens"
    dictionary.write_text("".join(map(dictionary_line, TOKENS)))
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
    """Run the harness; returns its exit code and the end of its output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.fuzz_splitters", *arguments],
        cwd=PROJECT,
        env={**os.environ, "PYTHONHASHSEED": "0"},  # so that a seed replays a run
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout
    with process.stdout as lines:
        output = list(with_progress(lines, progress))
    return process.wait(60), "".join(output[-60:])


def with_progress(lines: Iterator[str], progress: Progress) -> Iterator[str]:
    """Yield the lines, and print one of libFuzzer's own every few seconds."""
    for line in lines:
        if line.startswith("#"):
            progress.show_sometimes(line.rstrip())
        yield line


def write_corpus(folder: Path) -> Iterator[str]:
    """Write the first bodies, each with each limit; fuzz_splitters.py explains the last bytes."""
    for kind, seeds in enumerate((ENVELOPES, ARRAYS, CSVS, LINES)):
        for number, body in enumerate(seeds):
            for limit in LIMITS:
                file = folder / f"{kind}-{number}-{limit}"
                file.write_bytes(body + bytes([kind, limit, 30 * limit, 6, 40, 3]))
                yield str(file)


def dictionary_line(token: bytes) -> str:
    """Return a line of libFuzzer's dictionary."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n'
