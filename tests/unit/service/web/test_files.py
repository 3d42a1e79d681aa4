"""The files of the web pages: security headers, ETags, and nothing from another host."""

import asyncio
import hashlib
import re
from collections.abc import Iterator

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from core.states import ImportState
from service.problem_types import PROBLEM_TYPES
from service.problems import ProblemError
from service.web.files import CONTENT_TYPES, File, read_files
from service.web.handlers import Pages

FILES = asyncio.run(read_files())
RENDERER = {"elements.js", "elements.css"}
FILE = File(b"words", "text/css")


def texts(*endings: str) -> Iterator[tuple[str, str]]:
    for name, file in FILES.items():
        if name.endswith(endings) and name not in RENDERER:
            yield name, file.body.decode()


def get(headers: dict[str, str] | None = None, **match_info: str) -> web.Request:
    return make_mocked_request("GET", "/", headers or {}, match_info=match_info)


def test_the_content_security_policy_allows_no_other_host_and_nothing_inline():
    answer = FILE.response(get())
    assert (answer.status, answer.body) == (200, b"words")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_only_styles_and_images_can_be_inline_in_the_docs():
    policy = FILES["docs.html"].response(get()).headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';" in policy
    assert policy.count("unsafe") == 1
    assert "http" not in policy
    assert FILES["index.html"].response(get()).headers["Content-Security-Policy"] != policy


def test_304_answers_if_none_match_with_the_current_etag():
    etag = FILE.response(get()).headers["ETag"]
    again = FILE.response(get({"If-None-Match": etag}))
    assert (again.status, again.body) == (304, None)
    assert again.headers["ETag"] == etag
    assert FILE.response(get({"If-None-Match": '"other"'})).status == 200
    assert File(b"other words", "text/css").etag != FILE.etag


def test_each_file_type_has_a_content_type():
    assert {name[name.rindex(".") :] for name in FILES} == set(CONTENT_TYPES)


def test_no_file_refers_to_another_host():
    namespace = "http://www.w3.org/2000/svg"
    for name, text in texts(".html", ".css", ".js", ".svg"):
        assert not re.search(r"(https?:)?//[a-z0-9]", text.replace(namespace, "")), name


def test_html_has_no_inline_style_or_script():
    for name, text in texts(".html"):
        assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son[a-z]+=", text), name


def test_scripts_do_not_turn_text_into_markup():
    for name, text in texts(".js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text), name


def test_assets_modules_and_ids_that_are_referred_to_exist():
    for name, text in texts(".html"):
        for asset in re.findall(r'"/assets/([^"]+)"', text):
            assert asset in FILES, name
    for name, text in texts(".js"):
        for module in re.findall(r'from "\./([^"]+)"', text):
            assert module in FILES, name
        page = FILES["index.html"].body.decode()
        for identifier in re.findall(r'\bby\("([a-z-]+)"\)', text):
            assert f'id="{identifier}"' in page, name


def test_the_page_has_a_name_for_each_state():
    words = FILES["words.js"].body.decode().partition("STATES = {")[2].partition("};")[0]
    assert set(re.findall(r"^  ([a-z_]+):", words, re.MULTILINE)) == set(ImportState)


@pytest.mark.parametrize("name", ["index.html", "docs.html", "none.css", "../files.py", ""])
async def test_other_files_are_not_found(name):
    with pytest.raises(ProblemError) as caught:
        await Pages(FILES).asset(get(name=name))
    assert caught.value.code == "not_found"


async def test_each_asset_is_served():
    answer = await Pages(FILES).asset(get(name="page.js"))
    assert answer.content_type == "text/javascript"
    assert answer.body == FILES["page.js"].body


async def test_each_problem_type_has_a_page_and_others_are_not_found():
    pages = Pages(FILES)
    for code in PROBLEM_TYPES:
        assert (await pages.problem(get(code=code))).content_type == "text/html"
    assert (await pages.problems(get())).status == 200
    with pytest.raises(ProblemError) as caught:
        await pages.problem(get(code="no_such_code"))
    assert caught.value.code == "not_found"


def test_the_etag_is_a_digest_of_the_content():
    assert FILE.etag == hashlib.sha256(b"words").hexdigest()[:32]
