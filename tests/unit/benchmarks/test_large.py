import json

import pytest

from benchmarks.large import BLOCK_RECORDS, RECORD_BYTES, body, records_in


@pytest.mark.parametrize("size", [1, 1_000_000, 3_000_000, 3_999_999])
def test_records_in_is_the_number_of_records_of_a_body(size):
    made = b"".join(body(size))
    records = json.loads(made)["data"]
    assert len(records) == records_in(size)
    assert records_in(size) % BLOCK_RECORDS == 0
    assert abs(len(made) / len(records) - RECORD_BYTES) < 5
