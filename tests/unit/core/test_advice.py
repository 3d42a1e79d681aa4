import pytest

from core.job_view import advice

BY_RETRY = ["upstream_unavailable", "attempts_exhausted", "storage_refused", "database_refused"]
BY_SENDING_AGAIN = ["object_missing", "count_mismatch", "malformed_json", "truncated_body"]


@pytest.mark.parametrize("code", BY_RETRY)
def test_what_can_be_repaired_is_to_be_tried_again(code):
    assert "/retry" in advice(code)
    assert "Send the file again" not in advice(code)


@pytest.mark.parametrize("code", BY_SENDING_AGAIN)
def test_what_is_lost_is_to_be_sent_again_and_undone(code):
    assert "Send the file again" in advice(code)
    assert "DELETE" in advice(code)
