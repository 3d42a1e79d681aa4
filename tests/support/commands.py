"""Shell commands of the documentation, run as a reader would paste them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from tests.support.client_command import CLIENT_COMMAND, CLIENT_FOLDER
from tests.support.markdown import PROJECT, SHELL, Block, Document

CLIENT: Final = CLIENT_COMMAND
"""The command ``contacts-import``."""

_WRAPPED: Final[Mapping[str, Sequence[str]]] = {
    ".venv/bin/python": (sys.executable,),
    ".venv/bin/contacts-import": CLIENT,
    "bin/contacts-import": CLIENT,
    # Of an answer that is an error, curl itself tells nothing.
    "bin/curl": (shutil.which("curl") or "curl", "--silent", "--show-error", "--fail-with-body"),
}
_SECONDS: Final = 60
_END: Final = "-- end of a block: "
_ANYTHING: Final = "..."


@dataclass(frozen=True)
class Outcome:
    """What became of one block."""

    block: Block
    output: str
    """Of its standard output, all of it."""
    codes: list[int]
    """Exit codes that are not 0, in order."""


class Checkout:
    """A folder that looks like a checkout after ``make setup``, in which commands may write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for path in PROJECT.iterdir():
            if not path.name.startswith(".") and path.name != "node_modules":
                (folder / path.name).symlink_to(path)
        for name, command in _WRAPPED.items():
            script = folder / name
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n')
            script.chmod(0o755)

    def run(self, document: Document, addresses: Mapping[str, str]) -> list[Outcome]:
        """Run a document's blocks in one shell.

        ``addresses`` are those that the document names, each with the one that it stands for here.
        """
        blocks = [block for block in document.blocks() if block.is_run]
        script = _script(blocks)
        environment = {**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{CLIENT_FOLDER}"}
        environment["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        for named, real in addresses.items():
            script = script.replace(named, real)
            environment["CONTACTS_IMPORT_URL"] = addresses["http://127.0.0.1:8000"]
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        parts = re.split(rf"\n{_END}(.*)\n", done.stdout)
        outcomes = [
            Outcome(block, output, [int(code) for code in codes.split()])
            for block, output, codes in zip(blocks, parts[::2], parts[1::2], strict=False)
        ]
        assert len(outcomes) == len(blocks), done.stdout + done.stderr
        return outcomes


def _script(blocks: Sequence[Block]) -> str:
    """Each block, and then a line with the exit codes of its commands that failed."""
    lines = ["trap 'codes=\"$codes $?\"' ERR"]
    for block in blocks:
        lines += ["codes=", block.text, f"printf '\\n{_END}%s\\n' \"$codes\""]
    return "\n".join(lines)


def shown_outputs(document: Document) -> Iterator[tuple[Block, Block]]:
    """Blocks that are run, each with the one that shows what it prints."""
    blocks = document.blocks()
    for block, following in pairwise(blocks):
        if following.is_output:
            assert block.language in SHELL, f"{document.path}:{following.line} follows no command"
            yield block, following


def is_shown(output: str, shown: Block) -> bool:
    """Whether the output is as it is shown: JSON by its values, other text by its lines."""
    if shown.language == "json":
        return _alike(json.loads(shown.text), json.loads(output))
    pattern = re.escape(shown.text.strip()).replace(re.escape(_ANYTHING), ".*")
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


def _alike(shown: Any, found: Any) -> bool:
    """Whether a JSON value is as it is shown; of what is measured, only the type counts."""
    if isinstance(shown, dict) and isinstance(found, dict):
        return shown.keys() == found.keys() and all(_alike(shown[key], found[key]) for key in shown)
    if isinstance(shown, list) and isinstance(found, list):
        return len(shown) == len(found) and all(map(_alike, shown, found))
    if isinstance(shown, str) and isinstance(found, str):
        pattern = re.escape(shown).replace(re.escape(_ANYTHING), ".*")
        return re.fullmatch(pattern, found, re.DOTALL) is not None
    if isinstance(shown, float):
        return isinstance(found, float)
    return type(shown) is type(found) and bool(shown == found)
