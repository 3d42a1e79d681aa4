"""Whom a client may have told of its import's end."""

import pytest
from aiohttp.test_utils import make_mocked_request

from service.intake.request import Limits, body_submission, check_head
from service.intake.webhooks import Webhooks
from service.problems import ProblemError

URL = "https://example.com/hook?a=1"
ON = Webhooks(enabled=True)


@pytest.mark.parametrize("urls", [[], [""], ["", ""]])
@pytest.mark.parametrize("webhooks", [ON, Webhooks()])
def test_nobody_has_to_be_told(urls, webhooks):
    assert webhooks.wanted(urls) is None


@pytest.mark.parametrize(("allow_private", "url"), [(False, URL), (True, "http://127.0.0.1:1/")])
def test_somebody_is_told(allow_private, url):
    assert Webhooks(enabled=True, allow_private=allow_private).wanted(["", url]) == url


@pytest.mark.parametrize(
    ("webhooks", "urls", "code"),
    [
        (Webhooks(), [URL], "webhooks_disabled"),
        (Webhooks(allow_private=True), ["x"], "webhooks_disabled"),
        (ON, [URL, URL], "notify_invalid"),
        (ON, ["x"], "notify_invalid"),
        (ON, ["http://example.com/"], "notify_invalid"),
        (ON, ["https://10.0.0.1/"], "notify_invalid"),
        (ON, ["https://user:pw@example.com/"], "notify_invalid"),
    ],
)
def test_what_is_refused(webhooks, urls, code):
    with pytest.raises(ProblemError) as caught:
        webhooks.wanted(urls)
    assert (caught.value.code, caught.value.status) == (code, 422)
    assert "pw" not in caught.value.detail


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
async def test_the_head_alone_tells(content_type):
    headers = {"Content-Type": content_type}
    request = make_mocked_request("POST", "/import?notify=https://example.com", headers=headers)
    with pytest.raises(ProblemError, match="instead"):
        check_head(request, Limits(100, 100, 100))
    check_head(request, Limits(100, 100, 100, webhooks=ON))


async def test_a_body_is_sent_with_whom_to_tell():
    headers = {"Content-Type": "application/json"}
    request = make_mocked_request("POST", f"/import?notify={URL}", headers=headers)
    submission = body_submission(request, Limits(100, 100, 100, webhooks=ON), lambda _: None)
    assert submission.options.notify == URL
