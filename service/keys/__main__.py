"""``python -m service.keys``: makes a key, and its line for the file of keys."""

import argparse
import sys
from pathlib import Path
from typing import Final

from service.keys.api_key import ApiKey, KeyFileError, make_key, parse_keys
from service.keys.scopes import SCOPES, Scope

_SCOPES: Final = "\n".join(f"  {scope.value:<9} {words}" for scope, words in SCOPES.items())


def main() -> int:
    """Make a key and print it; return the exit code: 0, or 2 if it was not made."""
    options = _parser().parse_args()
    try:
        text, key = make_key(options.name, options.scopes)
        if options.file is not None:
            _append(options.file, key)
    except KeyFileError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{options.file} cannot be written: {error.strerror}")
    sys.stdout.write(f"{text}\n")
    if options.file is None:
        sys.stdout.write(f"{key.line}\n")
        sys.stderr.write("The key, which is shown only now, and its line for the file of keys.\n")
    else:
        sys.stderr.write(f"The key, which is shown only now. Its line is in {options.file}.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service.keys",
        description="Make an API key.",
        epilog=f"scopes:\n{_SCOPES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="who uses it, such as crm; shown to clients")
    parser.add_argument(
        "scopes",
        metavar="SCOPE",
        nargs="+",
        type=Scope,
        help=f"what it allows: {', '.join(Scope)}",
    )
    parser.add_argument(
        "--file", type=Path, help="append the line to this file instead of printing it"
    )
    return parser


def _append(path: Path, key: ApiKey) -> None:
    """Append the line of a key to a file, which is created if there is none.

    Raises OSError, or KeyFileError if the file has something else than keys.
    """
    before = path.read_bytes() if path.exists() else b""
    try:
        parse_keys(before)
    except KeyFileError as error:
        raise KeyFileError(f"{path} cannot be used: {error}") from None
    start = "\n" if before and not before.endswith(b"\n") else ""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{start}{key.line}\n")


def _fail(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
