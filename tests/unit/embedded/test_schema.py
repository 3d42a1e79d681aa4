import pytest

from embedded.storage.errors import StorageError
from embedded.storage.schema import Boolean, Integer, Record, Text, Texts


@pytest.mark.parametrize(
    ("check", "value", "coerced"),
    [
        (Text(), 5, "5"),
        (Text(), 5.0, "5"),
        (Text(), True, "true"),
        (Text(), None, ""),
        (Text(), ["a"], "a"),
        (Integer(0), "60", 60),
        (Integer(0), "1.0", 1),
        (Integer(0), True, 1),
        (Integer(0), None, 0),
        (Integer(0), 10**40, 10**40),
        (Boolean(), "true", True),
        (Boolean(), None, False),
        (Texts(), "a", ["a"]),
        (Texts(), [1, None], ["1", ""]),
        (Texts(nullable=True), None, None),
        (Record({"a": Integer(0)}), {"a": "1", "b": 2}, {"a": 1, "b": 2}),
    ],
)
def test_values_are_coerced(check, value, coerced):
    found = check.coerced(value, "body")
    assert (found, type(found)) == (coerced, type(coerced))


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (Text(), {}),
        (Text(), ["a", "b"]),
        (Text(choices=("a",)), "b"),
        (Integer(0), ""),
        (Integer(0), "x"),
        (Integer(0), "nan"),
        (Integer(0), "9" * 400),
        (Integer(0), 1.5),
        (Integer(1), 0),
        (Boolean(), 2),
        (Boolean(), "yes"),
        (Texts(minimum=1), []),
        (Texts(maximum=1), ["a", "b"]),
        (Texts(), {}),
        (Record({}), None),
        (Record({}, required=("a",)), {}),
    ],
)
def test_other_values_are_rejected(check, value):
    with pytest.raises(StorageError) as caught:
        check.coerced(value, "body")
    assert (caught.value.status, caught.value.error) == (400, "Error")
