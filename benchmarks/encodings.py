"""``python -m benchmarks.encodings``: how lists of people without a declared encoding are read.

For each language and code page it makes lists with English headers, with headers in the language,
and with English headers and a column of cities, and asks the importer for their encoding. A list is
*right* if it reads as it was written, *asked* if the client is asked for the encoding, and *wrong*
otherwise. It needs no server. The names are those of ``benchmarks/names/people.tsv``: none of them
is among the words from which the importer knows the languages.
"""

import argparse
import csv
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import StringIO
from itertools import product
from pathlib import Path

from core.errors import MalformedInputError
from core.reading.encodings import UTF_8, choose_encoding
from core.reading.plan import SAMPLE_BYTES

NAMES = Path(__file__).with_name("names") / "people.tsv"
SIZES = (5, 20, 100, 1000)
WESTERN = ("de", "fr", "es", "pt", "it", "nl", "sv", "da", "fi", "is", "ca")
"""Languages whose lists in Windows-1252 may neither be asked for nor be wrong."""
CODE_PAGE_OF_WESTERN = "windows-1252"


class Outcome(StrEnum):
    """How a list is read."""

    RIGHT = "right"
    ASKED = "asked"
    WRONG = "wrong"


class Headers(StrEnum):
    """What the first row of a list is."""

    ENGLISH = "English"
    OWN = "own language"
    WITH_CITY = "English, with a city"


@dataclass(frozen=True)
class Language:
    """The names of one language, and the code pages in which its lists are written."""

    code: str
    code_pages: tuple[str, ...]
    headers: tuple[str, str]
    given: tuple[str, ...]
    family: tuple[str, ...]
    cities: tuple[str, ...]

    def list_of(self, people: int, headers: Headers, rng: random.Random) -> str:
        """Return a list as a text of CSV; e-mail addresses are ASCII, as they mostly are."""
        text = StringIO()
        rows = csv.writer(text, lineterminator="\r\n")
        names = self.headers if headers is Headers.OWN else ("Name", "Email")
        with_city = headers is Headers.WITH_CITY
        rows.writerow([*names, *(["City"] if with_city else [])])
        for number in range(people):
            name = f"{rng.choice(self.given)} {rng.choice(self.family)}"
            city = [rng.choice(self.cities)] if with_city else []
            rows.writerow([name, f"person{number}@example.com", *city])
        return text.getvalue()


def languages() -> list[Language]:
    """Read the languages."""
    lines = NAMES.read_text("utf-8").splitlines()
    return [_language(line.split("\t")) for line in lines if line[:1] != "#"]


def _language(fields: list[str]) -> Language:
    code, pages, headers, given, family, cities = fields
    first, _, second = headers.partition(";")
    return Language(
        code,
        tuple(pages.split()),
        (first, second),
        *(tuple(words.split("|")) for words in (given, family, cities)),
    )


def outcome(text: str, code_page: str) -> Outcome | None:
    """Return how a list is read that was written in a code page; None if it is plain ASCII."""
    data = text.encode(code_page)
    if data.isascii():
        return None
    sample = data[:SAMPLE_BYTES]
    try:
        choice = choose_encoding(sample, None, complete=len(data) <= SAMPLE_BYTES)
    except MalformedInputError:
        return Outcome.ASKED
    encoding = "utf-8" if choice.encoding == UTF_8 else choice.encoding
    return Outcome.RIGHT if data.decode(encoding, "replace") == text else Outcome.WRONG


def lists(language: Language, people: int, count: int, seed: int) -> Iterator[tuple[Headers, str]]:
    """Yield so many lists of each kind of header."""
    for headers, number in product(Headers, range(count)):
        rng = random.Random(f"{seed} {language.code} {people} {headers} {number}")
        yield headers, language.list_of(people, headers, rng)


def main() -> int:
    """Print a table of all languages and code pages, the sums, and the false alarms."""
    arguments = _parser().parse_args()
    found: dict[tuple[str, str, int], Counter[Outcome]] = {}
    alarms: Counter[Outcome] = Counter()
    for language in languages():
        for people in SIZES:
            for headers, text in lists(language, people, arguments.lists, arguments.seed):
                for code_page in language.code_pages:
                    read = outcome(text, code_page)
                    if read is None:
                        continue
                    found.setdefault((language.code, code_page, people), Counter())[read] += 1
                    if language.code in WESTERN and code_page == CODE_PAGE_OF_WESTERN:
                        alarms[read] += 1
                    if arguments.verbose and read is Outcome.WRONG:
                        _say(
                            f"wrong: {language.code} {code_page} {people} {headers}: {text[:200]!r}"
                        )
    _show(found, alarms)
    return 0


def _show(found: dict[tuple[str, str, int], Counter[Outcome]], alarms: Counter[Outcome]) -> None:
    _say(f"| language, code page | {' | '.join(f'{size} people' for size in SIZES)} |")
    _say("| --- |" + " --- |" * len(SIZES))
    for name in dict.fromkeys((code, page) for code, page, _ in found):
        cells = [_cell(found.get((*name, size), Counter())) for size in SIZES]
        _say(f"| {', '.join(name)} | {' | '.join(cells)} |")
    by_size = [
        sum((each for key, each in found.items() if key[2] == size), Counter[Outcome]())
        for size in SIZES
    ]
    _say(f"| **all** | {' | '.join(map(_cell, by_size))} |")
    total = sum(by_size, Counter[Outcome]())
    _say(
        "\nRight / asked / wrong, of lists that are not plain ASCII. "
        f"Of all {total.total():,} lists "
        f"{total[Outcome.WRONG] / total.total():.2%} are wrong and "
        f"{total[Outcome.ASKED] / total.total():.2%} asked. Western lists in Windows-1252: "
        f"{alarms[Outcome.ASKED]} asked and {alarms[Outcome.WRONG]} wrong of {alarms.total():,}."
    )


def _cell(counts: Counter[Outcome]) -> str:
    return " / ".join(str(counts[each]) for each in Outcome)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encodings", description=__doc__)
    parser.add_argument("--lists", type=int, default=10, help="of each kind (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="%(default)s")
    parser.add_argument("--verbose", action="store_true", help="print the lists that are wrong")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
