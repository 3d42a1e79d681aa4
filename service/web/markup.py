"""HTML as a tree, so that no text can become markup."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final
from xml.etree import ElementTree as ET

Element = ET.Element
Content = Element | str

_CODE: Final = re.compile(r"`([^`]+)`")
_BULLET: Final = "* "


def node(tag: str, *content: Content, **attributes: str) -> Element:
    """An element; ``class_`` is the attribute ``class``."""
    made = Element(tag, {name.rstrip("_"): value for name, value in attributes.items()})
    for each in content:
        if not isinstance(each, str):
            made.append(each)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + each
        else:
            made.text = (made.text or "") + each
    return made


def prose(text: str) -> list[Element]:
    """Paragraphs and lists of a description: the little of Markdown that ours have."""
    return [element for block in text.split("\n\n") for element in _block(block)]


def _block(text: str) -> Iterator[Element]:
    for bullets, lines in groupby(text.splitlines(), key=lambda line: line.startswith(_BULLET)):
        if bullets:
            yield node("ul", *(node("li", *inline(line.removeprefix(_BULLET))) for line in lines))
        else:
            yield node("p", *inline(" ".join(lines)))


def inline(text: str) -> list[Content]:
    """Text with ``code`` in it."""
    pieces = _CODE.split(text)
    return [node("code", piece) if at % 2 else piece for at, piece in enumerate(pieces)]


def document(root: Element) -> bytes:
    """The bytes to send."""
    html: bytes = ET.tostring(root, encoding="utf-8", method="html")
    return b"<!doctype html>\n" + html
