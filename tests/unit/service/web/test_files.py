"""The page is made of its own files alone, and a browser is held to that."""

import re
from collections.abc import Iterator

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from core.states import ImportState
from service.problems import ProblemError
from service.web.files import CONTENT_TYPES, File, read_files
from service.web.handlers import Pages

FILES = read_files()
FILE = File(b"words", "text/css")


def texts(*endings: str) -> Iterator[tuple[str, str]]:
    for name, file in FILES.items():
        if name.endswith(endings):
            yield name, file.body.decode()


def get(headers: dict[str, str] | None = None, **match_info: str) -> web.Request:
    return make_mocked_request("GET", "/", headers or {}, match_info=match_info)


def test_a_file_comes_with_a_policy_that_allows_nothing_from_elsewhere():
    answer = FILE.response(get())
    assert (answer.status, answer.body) == (200, b"words")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_that_the_client_has_is_not_sent_again():
    etag = FILE.response(get()).headers["ETag"]
    again = FILE.response(get({"If-None-Match": etag}))
    assert (again.status, again.body) == (304, None)
    assert again.headers["ETag"] == etag
    assert FILE.response(get({"If-None-Match": '"other"'})).status == 200
    assert File(b"other words", "text/css").etag != FILE.etag


def test_all_kinds_of_files_are_known():
    assert {name[name.rindex(".") :] for name in FILES} == set(CONTENT_TYPES)


def test_no_file_names_another_host():
    namespace = "http://www.w3.org/2000/svg"
    for name, text in texts(".html", ".css", ".js", ".svg"):
        assert not re.search(r"(https?:)?//[a-z0-9]", text.replace(namespace, "")), name


def test_there_is_nothing_inline():
    for name, text in texts(".html"):
        assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son[a-z]+=", text), name


def test_text_becomes_no_markup():
    for name, text in texts(".js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text), name


def test_what_the_page_names_is_there():
    for name, text in texts(".html"):
        for asset in re.findall(r'"/assets/([^"]+)"', text):
            assert asset in FILES, name
    for name, text in texts(".js"):
        for module in re.findall(r'from "\./([^"]+)"', text):
            assert module in FILES, name
        page = FILES["index.html"].body.decode()
        for identifier in re.findall(r'\bby\("([a-z-]+)"\)', text):
            assert f'id="{identifier}"' in page, name


def test_the_page_has_a_word_for_each_state():
    words = FILES["words.js"].body.decode().partition("STATES = {")[2].partition("};")[0]
    assert set(re.findall(r"^  ([a-z_]+):", words, re.MULTILINE)) == set(ImportState)


@pytest.mark.parametrize("name", ["index.html", "none.css", "../files.py", ""])
async def test_no_other_file_is_shown(name):
    with pytest.raises(ProblemError, match="page is at"):
        await Pages().asset(get(name=name))


async def test_each_asset_is_shown():
    answer = await Pages().asset(get(name="page.js"))
    assert answer.content_type == "text/javascript"
    assert answer.body == FILES["page.js"].body
