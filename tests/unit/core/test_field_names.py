from core.field_names import MAX_KEPT_NAMES, MAX_NAME_LENGTH, FieldNames, storable_name


def test_field_names_keeps_each_name_once_in_order():
    names = FieldNames(["b", "a", "b"])
    names.add(["c", "a"])
    assert names.to_json() == ["b", "a", "c"]


def test_field_names_limits_the_number_and_length_of_names():
    names = FieldNames(f"{number}" for number in range(1000))
    assert names.is_full
    assert len(names.to_json()) == MAX_KEPT_NAMES
    assert len(storable_name("x" * 1000)) == MAX_NAME_LENGTH


def test_storable_name_has_no_nul():
    assert storable_name("a\0b") == "a\ufffdb"
