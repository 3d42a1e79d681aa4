from core.field_names import MAX_KEPT_NAMES, MAX_NAME_LENGTH, FieldNames, storable_name


def test_names_are_kept_once_in_their_order():
    names = FieldNames(["b", "a", "b"])
    names.add(["c", "a"])
    assert names.to_json() == ["b", "a", "c"]


def test_there_is_a_bound_of_names_and_of_each():
    names = FieldNames(f"{number}" for number in range(1000))
    assert names.is_full
    assert len(names.to_json()) == MAX_KEPT_NAMES
    assert len(storable_name("x" * 1000)) == MAX_NAME_LENGTH


def test_a_name_can_be_stored():
    assert storable_name("a\0b") == "a\ufffdb"
