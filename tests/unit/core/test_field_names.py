from core.field_names import MAX_NAME_LENGTH, MAX_NAMES, FieldNames, shown_name


def test_names_are_kept_once_in_their_order():
    names = FieldNames(["b", "a", "b"])
    names.note(["c", "a"])
    assert names.to_json() == ["b", "a", "c"]


def test_there_is_a_bound_of_names_and_of_each():
    names = FieldNames(f"{number}" for number in range(1000))
    assert names.is_full
    assert len(names.to_json()) == MAX_NAMES
    assert len(shown_name("x" * 1000)) == MAX_NAME_LENGTH


def test_a_name_can_be_stored():
    assert shown_name("a\0b") == "a\ufffdb"
