"""read_layout: columns that the client maps, and columns that are known by their names."""

import pytest
from service.splitting.dialect import parse_mapping
from service.splitting.header_mapping import read_layout

from core.errors import MalformedInputError
from core.models import Layout
from tests.support.splits import places


def layout_of(header: str, *mapping: str) -> Layout:
    layout = places(read_layout(header.split(","), parse_mapping(mapping)))
    assert layout is not None
    return layout


@pytest.mark.parametrize(
    ("header", "mapping", "layout"),
    [
        ("Nom,Courriel", ["Nom:name", "Courriel:email"], Layout(2, 0, 1)),
        ("Nom,E-Mail", ["Nom:name"], Layout(2, 0, 1)),
        ("nom ,COURRIEL", ["Nom:name", "Courriel:email"], Layout(2, 0, 1)),
        ("Nom,nom", ["nom:name"], Layout(2, 1, None)),
        ("a:b,email", ["a:b:name"], Layout(2, 0, 1)),
        ("email,name", ["email:name"], Layout(2, 0, None)),
        ("Email,Work e-mail", ["Work e-mail:email"], Layout(2, None, 1)),
        ("First Name,Last Name,Email", [], Layout(3, None, 2, (), 0, 1)),
        ("Surname,Given-Name", [], Layout(2, None, None, (), 1, 0)),
        ("last_name,mail", [], Layout(2, None, 1, (), None, 0)),
        ("name,first_name,last_name", [], Layout(3, 0, None)),
        ("Contact,Vorname,Nachname", ["Vorname:first_name"], Layout(3, None, None, (), 1, None)),
        ("Vorname,Nachname", ["Vorname:first_name", "Nachname:last_name"],
         Layout(2, None, None, (), 0, 1)),
        ("first_name,Voll", ["Voll:name"], Layout(2, 1, None)),
    ],
)  # fmt: skip
def test_read_layout(header, mapping, layout):
    assert layout_of(header, *mapping) == layout


def test_a_missing_mapped_column_is_rejected_with_the_existing_ones():
    with pytest.raises(MalformedInputError, match=r"'Nom'.*'Name', 'Mail'") as caught:
        layout_of("Name,Mail", "Nom:name")
    assert caught.value.code == "csv_header_unusable"


@pytest.mark.parametrize("header", ["Nom,Courriel", "Nom", "Nom complet,x"])
def test_an_unknown_header_is_rejected_with_an_example_of_map(header):
    with pytest.raises(MalformedInputError, match=r"'Nom.*\?map=\w+:name") as caught:
        layout_of(header)
    assert caught.value.code == "csv_header_unusable"


@pytest.mark.parametrize("field", ["name", "email", "first_name", "last_name"])
def test_layout_survives_json(field):
    layout = read_layout(["a", "b"], ((("b"), field),), ";")
    assert Layout.from_json(layout.to_json()) == layout
    assert layout.columns() == {field: 1}


def test_layout_of_an_older_version_is_read():
    assert Layout.from_json({"fields": 2, "name": 0, "email": None}) == Layout(2, 0, None)
