"""Which columns are the contact's: one person a record, names by their values, or a question."""

import json

import pytest

from core.errors import MalformedInputError
from core.reading.keys import plan_objects
from core.reading.options import ReadingOptions
from core.reading.plan import Certainty, Field, ReadingPlan
from core.reading.tables import plan_csv

DETECT = ReadingOptions()
PEOPLE = [
    ("Ada", "King", "ada.king@example.com"),
    ("Nora", "Quill", "nora.quill@example.org"),
    ("Ole", "Berg", "o.berg@firma.example"),
]
OTHERS = [
    ("Max", "Frost", "max@boss.example"),
    ("Ida", "Falk", "ida@boss.example"),
    ("Bo", "Lind", "bo@boss.example"),
]


def filled(template: str) -> list[str]:
    """A row, or a record, for each person: {n}, {f}, {l} and {e} are theirs, {N} {E} others'."""
    rows = []
    for (first, last, email), (other, family, address) in zip(PEOPLE, OTHERS, strict=True):
        values = {
            "{n}": f"{first} {last}", "{f}": first, "{l}": last, "{e}": email,
            "{N}": f"{other} {family}", "{F}": other, "{L}": family, "{E}": address,
        }  # fmt: skip
        row = template
        for mark, value in values.items():
            row = row.replace(mark, value)
        rows.append(row)
    return rows


def plan(header: str, row: str, options: ReadingOptions = DETECT) -> ReadingPlan:
    return plan_csv("\n".join([header, *filled(row), ""]), options, complete=True)


def plan_json(record: str, options: ReadingOptions = DETECT) -> ReadingPlan:
    return plan_objects([json.loads(each) for each in filled(record)], options)


def used(found: ReadingPlan) -> str:
    """The cells of the first row that are used: names, halves, e-mails."""
    return " ".join(found.header[p] for field in Field for p in found.places.of(field)[:1])


def warnings(found: ReadingPlan) -> list[str]:
    return [warning.code for warning in found.warnings]


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("Buyer,Buyer Email,Attendee Name,Attendee Email", "{N},{E},{n},{e}",
         "Attendee Name Attendee Email"),
        ("Client Name,Attendee Email,Attendee First Name,Attendee Last Name", "{N},{e},{f},{l}",
         "Attendee First Name Attendee Last Name Attendee Email"),
        ("Billing Name,Shipping Name,Email", "{n},{N},{e}", "Billing Name Email"),
        ("Shipping First Name,Shipping Last Name,First Name,Last Name,Email", "{F},{L},{f},{l},{e}",
         "First Name Last Name Email"),
        ("Guest 1 Name,Guest 1 Email,Guest 2 Name,Guest 2 Email", "{n},{e},{N},{E}",
         "Guest 1 Name Guest 1 Email"),
        ("Guest 1 Name,Guest 2 Name,Guest 2 Email", "{N},{n},{e}", "Guest 2 Name Guest 2 Email"),
        ("Primary Contact Name,Secondary Contact Name,Secondary Contact Email", "{N},{n},{e}",
         "Secondary Contact Name Secondary Contact Email"),
        ("Name,Email,Name 2,Email 2", "{n},{e},{N},{E}", "Name Email"),
        ("Email,Zyx Name,Zyx Email", "{E},{n},{e}", "Zyx Name Zyx Email"),
        ("購入者名,購入者メール,配送先氏名", "{n},{e},{N}", "購入者名 購入者メール"),
        ("Nom acheteur;Email acheteur;Nom livraison", "{n};{e};{N}", "Nom acheteur Email acheteur"),
        ("ContactName,FirstName,LastName,EmailAddress", "Acme Ltd,{f},{l},{e}",
         "FirstName LastName EmailAddress"),
        ("name,longName,foreName,address.email", "K1,{l},{f},{e}",
         "foreName longName address.email"),
        ("Name,Customer Name,Email", "AX-100,{n},{e}", "Customer Name Email"),
        ("Preferred Name,Legal First Name,Legal Last Name,Email", "{f},{f},{l},{e}",
         "Legal First Name Legal Last Name Email"),
        ("Name,Customer,Email", ",{n},{e}", "Customer Email"),
        ("Име,Презиме,Фамилия,Имейл", "{f},Ivanova,{l},{e}", "Име Фамилия Имейл"),
    ],
)  # fmt: skip
def test_name_and_address_are_of_one_person(header, row, expected):
    assert used(plan(header, row)) == expected


@pytest.mark.parametrize(
    ("header", "emails"),
    [
        ("First Name,Student Email,Personal Email", ["Student Email", "Personal Email"]),
        ("Attendee Name,Attendee Email,Email", ["Attendee Email"]),
        ("Name,Email,Buyer Email", ["Email"]),
        ("Name,E-mail 1,E-mail 2", ["E-mail 1", "E-mail 2"]),
        ("Zyx Name,Zyx Email,Abc Email", ["Zyx Email"]),
    ],
)
def test_further_addresses_are_of_the_same_person(header, emails):
    found = plan(header, "{n},{e},{E}")
    assert [found.header[place] for place in found.places.email] == emails


def test_the_places_of_a_field_are_of_one_person():
    found = plan("Guest 1 Name,Guest 1 Email,Guest 2 Name,Guest 2 Email", "{n},{e},{N},{E}")
    assert (found.places.name, found.places.email) == ((0,), (1,))
    assert warnings(found) == ["addresses_unused", "names_unused"]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Buyer Name,Attendee Name,Email", "{n},{N},{e}"),
        ("Attendee Name,Buyer Email", "{N},{e}"),
        ("Info 1,Info 2,Email", "{n},{N},info@example.com"),
        ("Qwertz,Email", "{n},info@example.com"),
    ],
)
def test_names_of_nobody_known_are_a_question(header, row):
    with pytest.raises(MalformedInputError) as caught:
        plan(header, row)
    assert caught.value.code == "name_column_unclear"
    name, email = header.split(",")[0], header.split(",")[-1]
    mapped = plan(header, row, ReadingOptions(mapping=((name, Field.NAME),)))
    assert used(mapped) == f"{name} {email}"
    without = plan(header, row, ReadingOptions(no_name=True))
    assert used(without) == email


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("Email,Qwertz", "{e},{n}", {"name": ["Qwertz"]}),
        ("Email,Qwertz,Zxcv", "{e},{n},New York", {"name": ["Qwertz"]}),
        ("Email,Qwertz,Zxcv", "{e},{N},{n}", {"name": ["Zxcv"]}),
        ("Email;Foo;Bar", "{e};{l};{f}", {"first_name": ["Bar"], "last_name": ["Foo"]}),
        ("Email;Foo;Nachname", "{e};{f};{l}", {"first_name": ["Foo"], "last_name": ["Nachname"]}),
        ("Email,Zzz Name", "info@example.com,{n}", {"name": ["Zzz Name"]}),
        ("Email address,Nickname", "{e},{n}", {"name": ["Nickname"]}),
        ("Client,Email,Full", "yes,{e},{n}", {"name": ["Full"]}),
    ],
)
def test_names_under_an_unknown_header_are_found_by_the_addresses(header, row, expected):
    found = plan(header, row)
    columns = {
        field.value: [found.header[place] for place in found.places.of(field)]
        for field in (Field.NAME, Field.FIRST_NAME, Field.LAST_NAME)
        if found.places.of(field)
    }
    assert columns == expected
    others = ["names_unused"] if "{N}" in row else []
    assert warnings(found) == ["column_guessed", *others]
    assert Certainty.GUESSED in found.certainty.values()


def test_names_of_branches_are_a_question():
    text = "E-Mail;Filiale\nkiel@x.example;Kiel\nulm@x.example;Ulm\nbonn@x.example;Bonn\n"
    with pytest.raises(MalformedInputError) as caught:
        plan_csv(text, DETECT, complete=True)
    assert caught.value.code == "name_column_unclear"


def test_names_in_other_letters_are_found_by_their_transliteration():
    text = "Почта;Слушатель\nivan.petrov@x.example;Иван Петров\nanna.kim@x.example;Анна Ким\n"
    assert plan_csv(text, DETECT, complete=True).places.name == (1,)


def test_logins_are_no_names():
    text = "Email,Kürzel\nada.king@x.example,AKing\neva.may@x.example,EMay\n"
    assert plan_csv(text, DETECT, complete=True).places.name == ()


@pytest.mark.parametrize(
    "value",
    ["Cork", "New York", "Globex Corporation", "Sales Manager", "active", "vip lead", "en",
     "Met at the fair in May.", "5 May 2024", "12 High Street", "Human Resources", "ada.king"],
)  # fmt: skip
def test_cities_companies_and_sentences_are_no_names(value):
    found = plan("Email,Qwertz", f"{{e}},{value}")
    assert (found.places.name, warnings(found)) == ((), [])


@pytest.mark.parametrize(
    ("header", "value"),
    [("Client", "yes"), ("Member", "1"), ("Customer", "2024-01-05"), ("Contact", "+49 30 1234"),
     ("Guest", "101"), ("Customer", "5f9c3a-11ee"), ("Kunde", "nein"), ("Contact", "phone")],
)  # fmt: skip
def test_flags_numbers_and_codes_under_the_name_of_a_role_are_no_names(header, value):
    assert used(plan(f"{header},Email", f"{value},{{e}}")) == "Email"


def test_levels_under_the_name_of_a_role_are_no_names():
    rows = "".join(f"{level},m{n}@example.com\n" for n, level in enumerate(["Gold", "Silver"] * 3))
    assert plan_csv(f"Member,Email\n{rows}", DETECT, complete=True).places.name == ()


def test_a_column_called_name_is_the_name_whatever_it_holds():
    assert used(plan("Name,Email", "1001,{e}")) == "Name Email"


@pytest.mark.parametrize(
    ("record", "name", "email"),
    [
        ('{"billing": {"name": "{n}", "email": "{e}"}, "shipping": {"name": "{N}"}}',
         "billing.name", "billing.email"),
        ('{"shipping": {"name": "{N}"}, "billing": {"name": "{n}", "email": "{e}"}}',
         "billing.name", "billing.email"),
        ('{"name": "#1001", "email": "{e}", "customer": {"full_name": "{n}", "email": "{e}"}}',
         "customer.full_name", "customer.email"),
        ('{"user": {"name": "{N}"}, "contact": {"name": "{n}", "email": "{e}"}}',
         "contact.name", "contact.email"),
        ('{"name": "{n}", "email": "{e}", "contact": {"name": "{N}", "email": "{E}"}}',
         "name", "email"),
        ('{"name": "{n}", "contact": {"email": "{e}"}}', "name", "contact.email"),
        ('{"item": {"name": "{N}"}, "name": "{n}", "email": "{e}"}', "name", "email"),
        ('{"name": "{F}", "profile": {"name": "{n}", "email": "{e}"}}',
         "profile.name", "profile.email"),
        ('{"buyer": {"name": "{n}", "email": "{e}"}, "seller": {"name": "{N}", "email": "{E}"}}',
         "buyer.name", "buyer.email"),
        ('{"customer": true, "email": "{e}", "fullname": "{n}"}', "fullname", "email"),
        ('{"data": {"attributes": {"name": "{n}", "email": "{e}"}}}',
         "data.attributes.name", "data.attributes.email"),
        ('{"_source": {"person": {"name": "{n}", "email": "{e}"}}}',
         "_source.person.name", "_source.person.email"),
        ('{"node": {"user": {"name": "{n}", "email": "{e}"}}}',
         "node.user.name", "node.user.email"),
        ('{"holder": {"name": "{n}", "email": "{e}"}}', "holder.name", "holder.email"),
        ('{"email": "{e}", "xq": "{n}", "city": "Cork"}', "xq", "email"),
    ],
)  # fmt: skip
def test_keys_are_of_one_object(record, name, email):
    found = plan_json(record)
    assert ".".join(map(str, found.places.name[0])) == name
    assert ".".join(map(str, found.places.email[0])) == email


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ('{"user": {"name": "{N}"}, "contact": {"email": "{e}"}}', "name_column_unclear"),
        ('{"student": {"name": "{N}"}, "guardian": {"name": "{n}", "email": "{e}"}}',
         "email_column_unclear"),
        ('{"sender": {"email": "{E}"}, "recipient": {"email": "{e}"}}', "email_column_unclear"),
    ],
)  # fmt: skip
def test_objects_of_different_people_are_a_question(record, code):
    with pytest.raises(MalformedInputError) as caught:
        plan_json(record)
    assert caught.value.code == code


def test_records_without_names_are_planned_so():
    found = plan_json('{"email": "{e}"}', ReadingOptions(no_name=True))
    assert found.places.used == {("email",)}


@pytest.mark.parametrize(
    "header",
    [
        "First Guest;Second Guest;First Guest Email;Second Guest Email",
        "1st Guest;2nd Guest;1st Guest Email;2nd Guest Email",
        "Guest 1;Guest 2;Guest 1 Email;Guest 2 Email",
        "Person 1;Person 2;E-mail 1;E-mail 2",
        "Player 1;Player 2;First Email;Second Email",
        "Primary Contact;Secondary Contact;Primary Email;Secondary Email",
        "First Guest Name;Second Guest Name;First Guest Email;Second Guest Email",
        "Erster Gast;Zweiter Gast;E-Mail erster Gast;E-Mail zweiter Gast",
        "1er invité;2ème invité;E-mail 1er invité;E-mail 2ème invité",
        "Primer invitado;Segundo invitado;Correo primer invitado;Correo segundo invitado",
        "Первый участник;Второй участник;E-mail первого участника;E-mail второго участника",
    ],
)
def test_of_two_people_with_ordinals_the_first_is_the_contact_and_the_second_is_reported(header):
    found = plan(header, "{n};{N};{e};{E}")
    assert (found.places.name, found.places.email) == ((0,), (2,))
    assert not found.places.first_name
    assert {"addresses_unused", "names_unused"} <= set(warnings(found))


def test_first_and_second_with_whole_names_are_a_question():
    with pytest.raises(MalformedInputError) as caught:
        plan("First;Second;First Email;Second Email", "{n};{N};{e};{E}")
    assert caught.value.code == "name_column_unclear"
    found = plan("First;Last;Email", "{f};{l};{e}")
    assert (found.places.first_name, found.places.last_name) == ((0,), (1,))


def test_a_second_person_beside_an_address_is_a_question():
    with pytest.raises(MalformedInputError) as caught:
        plan("Secondary Contact;Email", "{N};{e}")
    assert caught.value.code == "name_column_unclear"
    assert plan("Guest 2;Guest 2 Email", "{N};{E}").places.name == (0,)
    assert plan("Main Contact;Second Email;Email", "{n};{E};{e}").places.email == (2, 1)


def test_first_and_second_name_are_halves():
    found = plan("First Name;Second Name;Email", "{f};{l};{e}")
    assert (found.places.first_name, found.places.last_name) == ((0,), (1,))


def plan_rows(header: str, *rows: str) -> ReadingPlan:
    return plan_csv("\n".join([header, *rows, ""]), DETECT, complete=True)


def test_of_two_unknown_columns_of_names_the_unused_one_is_reported():
    found = plan("Foo;Bar;Email", "{n};{N};{e}")
    assert found.places.name == (0,)
    assert [(w.code, w.names) for w in found.warnings] == [
        ("column_guessed", ("Foo",)),
        ("names_unused", ("Bar",)),
    ]


def test_two_unknown_columns_of_names_are_a_question_if_the_addresses_do_not_decide():
    rows = ("Ada King;Max Frost;office@x.example", "Nora Quill;Ida Falk;nora@x.example")
    with pytest.raises(MalformedInputError) as caught:
        plan_rows("Foo;Bar;Email", *rows)
    assert caught.value.code == "name_column_unclear"


def test_two_unknown_pairs_of_name_and_address_are_a_question():
    with pytest.raises(MalformedInputError) as caught:
        plan("Fox;Qux;Bar;Baz", "{n};{e};{N};{E}")
    assert caught.value.code == "email_column_unclear"


COMPANIES = ("Acme GmbH;Anna Weber;anna.weber@acme.example", "Berg AG;Bo Lind;b.lind@berg.example")


@pytest.mark.parametrize("header", ["Name;Contact;Email", "Name;Ansprech;Email", "Name;Zz;E-Mail"])
def test_the_person_in_the_address_is_preferred_to_a_company_that_is_called_name(header):
    found = plan_rows(header, *COMPANIES)
    assert found.places.name == (1,)
    assert warnings(found) == ["column_guessed"]
    assert found.certainty[Field.NAME] is Certainty.GUESSED


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("Name;Contact;Email", ("Acme;Anna Weber;anna.weber@acme.example",)),
        ("First Guest;Second Guest;Email", ("Ada King;Bo Lind;bo@lind.example",)),
    ],
)
def test_another_name_in_the_address_is_a_question(header, rows):
    with pytest.raises(MalformedInputError) as caught:
        plan_rows(header, *rows)
    assert caught.value.code == "name_column_unclear"


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Name;Owner;Email", "Acme GmbH;Anna Weber;anna.weber@acme.example"),
        ("Name;Contact;Email", "Acme GmbH;Anna Weber;info@acme.example"),
        ("Name;Contact;Email", "Anna Weber;Bo Lind;anna@acme.example"),
        ("Name;Romaji;Email", "山田太郎;Taro Yamada;taro.yamada@acme.example"),
        ("Buyer Name;Zz;Buyer Email", "Ada King;Bo Lind;bo.lind@acme.example"),
    ],
)
def test_a_name_is_not_doubted_without_reason(header, row):
    assert plan_rows(header, row).places.name == (0,)
