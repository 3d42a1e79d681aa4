"""The project's Markdown files: their blocks of code, links, headings and tables.

A comment on the line before a block of shell commands says what a test does with it:

    <!-- not run: why not -->          it is not run
    <!-- run by: test_name -->         that test in tests/acceptance/test_commands.py runs it
    <!-- exit code: 3 -->              it is run, and its last command ends with this code
    (none)                             it is run, and every command ends with 0

A block of another language after ``<!-- output -->`` is what the block before it prints.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = (
    *(".", "docs", "docs/operate", "benchmarks", "client"),
    *(".github", ".github/ISSUE_TEMPLATE"),
)
SHELL: Final = frozenset({"sh", "bash", "console"})
LANGUAGES: Final = SHELL | {"json", "mermaid", "python", "sql", "text"}

_FENCE: Final = re.compile(
    r"^(?P<indent> *)```(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_COMMENT: Final = re.compile(r"<!-- (?P<text>.*?) -->\n\Z")
_LINK: Final = re.compile(
    r"\[[^\]]*\]\((?P<target>[^)\s]+)\)|(?:src|href)=\"(?P<attribute>[^\"]+)\""
)
_HEADING: Final = re.compile(r"^#{1,6} (?P<text>.+)$", re.MULTILINE)
_NOT_IN_SLUG: Final = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    line: int
    """Number of its first line in the file."""
    language: str
    text: str
    comment: str
    """Text of the HTML comment on the line before; empty if there is none."""

    def noted(self, what: str) -> str | None:
        """What the comment says after ``what:``; None if it is about something else."""
        head, colon, rest = self.comment.partition(":")
        return rest.strip() if colon and head == what else None

    @property
    def is_output(self) -> bool:
        """Whether it shows what the block before it prints."""
        return self.comment == "output"

    @property
    def is_run(self) -> bool:
        """Whether the test of the documents runs it."""
        exempt = self.noted("not run") is not None or self.noted("run by") is not None
        return self.language in SHELL and not exempt


@dataclass(frozen=True)
class Document:
    """One Markdown file."""

    path: Path
    """Relative to the project."""
    text: str

    @classmethod
    def read(cls, path: str | Path) -> "Document":
        """The file with this path in the project."""
        return cls(Path(path), (PROJECT / path).read_text("utf-8"))

    def blocks(self) -> list[Block]:
        """All fenced blocks, in order."""
        return [self._block(found) for found in _FENCE.finditer(self.text)]

    def prose(self) -> str:
        """The text without its fenced blocks."""
        return _FENCE.sub("", self.text)

    def links(self) -> list[str]:
        """Targets of all links and images."""
        return [found["target"] or found["attribute"] for found in _LINK.finditer(self.prose())]

    def anchors(self) -> set[str]:
        """What a link to a heading of this file has after its ``#``, as GitHub makes it."""
        headings = _HEADING.findall(self.prose())
        return {_NOT_IN_SLUG.sub("", text.lower()).replace(" ", "-") for text in headings}

    def table(self, *head: str) -> list[list[str]]:
        """The rows of the table whose first columns are named so."""
        lines = iter(self.text.splitlines())
        for line in lines:
            if _cells(line)[: len(head)] == list(head):
                next(lines)
                return list(_rows(lines))
        raise AssertionError(f"{self.path} has no table with the columns {head}")

    def _block(self, found: re.Match[str]) -> Block:
        comment = _COMMENT.search(self.text, 0, found.start())
        return Block(
            line=self.text.count("\n", 0, found.start()) + 2,
            language=found["language"].strip(),
            text=found["text"],
            comment=comment["text"] if comment else "",
        )


def documents() -> list[Document]:
    """All Markdown files that people read."""
    paths = sorted(path for folder in FOLDERS for path in (PROJECT / folder).glob("*.md"))
    return [Document.read(path.relative_to(PROJECT)) for path in paths]


def code(cell: str) -> list[str]:
    """What is written as code in a table's cell."""
    return re.findall(r"`([^`]+)`", cell)


def _rows(lines: Iterator[str]) -> Iterator[list[str]]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield _cells(line)


def _cells(line: str) -> Sequence[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
