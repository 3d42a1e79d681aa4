"""What the names of columns say: in which language, whose, and in scripts without blanks."""

import pytest

from core.reading.header_text import words_of
from core.reading.matching import Strength, match_header
from core.reading.people import Person
from core.reading.plan import Field
from core.reading.vocabulary import vocabulary
from core.reading.word_division import divided


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("联系人邮箱地址", Field.EMAIL),
        ("お客様メールアドレス（必須）", Field.EMAIL),  # noqa: RUF001
        ("อีเมลผู้ติดต่อ", Field.EMAIL),
        ("신청자이메일주소", Field.EMAIL),
        ("参会人姓名", Field.NAME),
        ("申込者氏名（漢字）", Field.NAME),  # noqa: RUF001
        ("購入者名", Field.NAME),
        ("参加者様お名前", Field.NAME),
        ("ชื่อผู้ติดต่อ", Field.NAME),
        ("Person1_mail", Field.EMAIL),
        ("What's your full name?", Field.NAME),
        ("Quel est votre nom ?", Field.NAME),
    ],
)
def test_headers_are_known_by_their_words(header, field):
    match = match_header(header)
    assert (match.field, match.strength < Strength.WEAK) == (field, True)


@pytest.mark.parametrize(
    "header",
    [
        "紧急联系人姓名",
        "申込者フリガナ",
        "商品名",
        "产品名称",
        "会社名",
        "비상연락처이름",
        "メール配信",
    ],
)
def test_headers_of_others_and_unknown_ones_are_no_fields(header):
    match = match_header(header)
    assert match.field is None or match.strength is Strength.LOOSE


@pytest.mark.parametrize(
    ("header", "name", "email"),
    [
        ("mk", "Име и презиме", "Е-пошта"), ("sq", "Emri i plotë", "Posta elektronike"),  # noqa: RUF001
        ("be", "Прозвішча і імя", "Электронная пошта"), ("ka", "სახელი და გვარი", "ელ-ფოსტა"),  # noqa: RUF001
        ("hy", "Անուն Ազգանուն", "Էլ. փոստ"), ("az", "Ad, soyad", "E-poçt ünvanı"),  # noqa: RUF001
        ("kk", "Аты-жөні", "Электрондық пошта"), ("uz", "Ism familiya", "Elektron pochta"),
        ("bn", "পুরো নাম", "ইমেইল"), ("ta", "பெயர்", "மின்னஞ்சல்"), ("te", "పేరు", "ఈమెయిల్"),
        ("ur", "پورا نام", "ای میل"), ("pa", "ਪੂਰਾ ਨਾਮ", "ਈਮੇਲ"), ("gu", "પૂરું નામ", "ઈમેલ"),
        ("mr", "पूर्ण नाव", "ईमेल"), ("sw", "Jina kamili", "Barua pepe"),
        ("fil", "Buong pangalan", "Email"), ("ga", "Ainm iomlán", "Ríomhphost"),
        ("cy", "Enw llawn", "E-bost"), ("mt", "Isem sħiħ", "Indirizz elettroniku"),
        ("lb", "Ganzen Numm", "E-Mail-Adress"), ("mn", "Овог нэр", "И-мэйл хаяг"),
        ("km", "ឈ្មោះពេញ", "អ៊ីមែល"), ("my", "အမည်", "အီးမေးလ်"), ("eo", "Plena nomo", "Retpoŝtadreso"),
        ("am", "ሙሉ ስም", "ኢሜይል"), ("lo", "ຊື່ເຕັມ", "ອີເມວ"),
    ],
)  # fmt: skip
def test_names_and_addresses_are_known_in_many_languages(header, name, email):
    fields = match_header(name).field, match_header(email).field
    assert fields == (Field.NAME, Field.EMAIL), header


@pytest.mark.parametrize(
    ("header", "person"),
    [
        ("Buyer name", Person("buyer")),
        ("Attendee #2 Email", Person("guest", 2)),
        ("Käufer E-Mail", Person("buyer")),
        ("Secondary contact name", Person("", 2)),
        ("Primary e-mail", Person("", 1)),
        ("User email", Person()),
        ("Second name", Person()),
        ("E-mail 2 Address", Person("", 2)),
        ("配送先氏名", Person("shipping")),
    ],
)
def test_headers_say_whose_the_column_is(header, person):
    assert match_header(header).person == person


@pytest.mark.parametrize(
    ("one", "other", "numbered", "expected"),
    [
        (Person("buyer"), Person("guest"), False, True),
        (Person("buyer"), Person(), False, False),
        (Person("", 2), Person("", 3), False, False),
        (Person("", 2), Person("", 3), True, True),
        (Person("", 0), Person("", 1), True, False),
        (Person("", 0, ("user",)), Person("", 0, ("contact",)), False, True),
        (Person("", 0, ("user",)), Person(), False, False),
        (Person("", 0, ("user",)), Person("", 0, ("user", "contact")), False, False),
        (Person("buyer", 0, ("billing",)), Person("buyer", 0, ("customer",)), False, False),
    ],
)
def test_people_are_told_apart(one, other, numbered, expected):
    assert one.is_other_than(other, numbered=numbered) is expected
    assert other.is_other_than(one, numbered=numbered) is expected


def test_a_word_that_means_something_else_elsewhere_is_not_preferred():
    assert match_header("Презиме").order > match_header("Фамилия").order


def test_unknown_words_beside_a_name_are_kept():
    match = match_header("Chauffeur name")
    assert (match.field, match.hint, match.unknown) == (None, Field.NAME, {"chauffeur"})


def test_entries_are_not_divided():
    for name in vocabulary().names:
        assert len(divided((name,))) == 1


def test_words_with_blanks_are_not_divided():
    assert divided(words_of("Full name of the customer")) == words_of("Full name of the customer")
