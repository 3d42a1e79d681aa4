"""The API as a page: all of the document is on it, and no text becomes markup."""

from html.parser import HTMLParser

import pytest

from service.api.openapi.document import openapi_document
from service.problems import PROBLEM_TYPES
from service.web.docs_page import described
from service.web.markup import document, inline, node, prose
from service.web.schema_tables import bounds, kind

EVIL = "<script>alert('&')</script>"


class Page(HTMLParser):
    """What a browser finds on a page."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html.decode())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []

    def handle_data(self, data):
        self.text += data


def test_all_of_the_document_is_on_the_page():
    api = openapi_document()
    page = Page(described(api))
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in page.text
            assert operation["operationId"] in page.ids
    assert all(code in page.text for code in PROBLEM_TYPES)
    assert all(f"schema-{name}" in page.ids for name in api["components"]["schemas"])


def test_links_lead_somewhere():
    page = Page(described(openapi_document()))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith(("/", "#")) for link in page.links)


def test_text_becomes_no_markup():
    api = openapi_document()
    api["info"] = {"title": EVIL, "description": EVIL}
    page = Page(described(api))
    assert "script" not in page.tags
    assert page.text.count(EVIL) == 3


def test_a_node_keeps_the_order_of_its_content():
    made = node("p", "a", node("b", "c"), "d", "e", class_="x")
    assert document(made) == b'<!doctype html>\n<p class="x">a<b>c</b>de</p>'


def test_prose_is_paragraphs_lists_and_code():
    html = document(node("div", *prose("Zero\n\nOne `two`\nthree\n* four\n* five")))
    assert b"<p>Zero</p><p>One <code>two</code> three</p><ul><li>four</li><li>five</li></ul" in html


def test_text_without_code_is_one_piece():
    assert inline("words") == ["words"]


def test_kinds_in_words():
    def words(schema):
        return Page(document(node("p", *kind(schema)))).text.strip()

    assert words({"type": ["string", "null"]}) == "string or null"
    assert words({"type": "string", "format": "date-time"}) == "string, date-time"
    assert words({"type": "array", "items": {"$ref": "#/components/schemas/Job"}}) == "array of Job"
    assert words({"enum": ["a", "b", None]}) == "a, b, null"
    assert words({}) == "any value"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, ""),
        ({"minimum": 0}, ""),
        ({"minimum": 1}, "1 or more"),
        ({"minimum": 1, "maximum": 1000, "default": 100}, "1 to 1,000, default 100"),
        ({"maxLength": 9}, "up to 9 characters"),
        ({"default": False}, "default false"),
    ],
)
def test_bounds_in_words(schema, words):
    assert bounds(schema) == words
