"""The pages that the ``type`` of a problem links to."""

from html.parser import HTMLParser

import pytest

from service.problem_types import PROBLEM_TYPES
from service.web.problem_pages import _words, problem_index, problem_page


class Page(HTMLParser):
    """The links and the text of a page."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("code", PROBLEM_TYPES)
def test_a_problem_page_explains_its_type(code):
    kind = PROBLEM_TYPES[code]
    page = Page(problem_page(code))
    plain = kind.description.replace("`", ""), kind.advice.replace("`", "")
    for text in (code, str(kind.status), kind.title, *plain, kind.param or "", f'"code": "{code}"'):
        assert text in page.text
    assert all(link.startswith("/") for link in page.links)
    assert "script" not in page.tags


def test_the_index_links_to_each_problem_page():
    links = Page(problem_index()).links
    assert {f"/problems/{code}" for code in PROBLEM_TYPES} <= set(links)


def test_text_is_escaped():
    assert _words("<b> & `<i>`") == "&lt;b&gt; &amp; <code>&lt;i&gt;</code>"
