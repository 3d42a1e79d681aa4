"""A person gets the rejections as a file, corrects it, and sends it again."""

import csv
from collections.abc import Callable
from io import StringIO
from uuid import UUID

from config.ids import contact_id_prefix
from tests.acceptance.conftest import Importer

SENT = """Id,Phone,E-Mail,Full Name
1,+49 170,ada@gmail.com,Ada
2,=1+1,zoe@gmial,=Zoë
3,x,"eve@example,com","Eve ""the"" é"
4,y,bob@example.com
5,-5,-nobody-,"two
lines"
6,z,too.long@example.com,{}
""".format("n" * 1001)
OBJECTS = [
    {"name": "Ada", "email": "ada@gmail.com"},
    {"name": "=Zoë", "email": "zoe@gmial", "phone": "=1+1"},
    {"name": 5, "email": "eve@example.com", "phone": None},
    7,
]
Rows = list[dict[str, str]]


def send(importer: Importer, file: bytes) -> str:
    answer = importer.http.post(
        "/import", params={"source": "again"}, content=file, headers={"Content-Type": "text/csv"}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


def rejections(importer: Importer, job: str) -> bytes:
    headers = {"Accept": "text/csv"}
    return importer.http.get(f"/import/{job}/rejections", headers=headers).content


def edited(file: bytes, edit: Callable[[Rows], None], *, delimiter: str = ",") -> bytes:
    """As a spreadsheet reads and writes it; many write semicolons."""
    reader = csv.DictReader(StringIO(file.decode("utf-8-sig"), newline=""))
    rows = list(reader)
    edit(rows)
    out = StringIO(newline="")
    writer = csv.DictWriter(out, reader.fieldnames or (), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")


def stored(importer: Importer, job: str) -> list[tuple[str | None, str | None]]:
    prefix = contact_id_prefix(UUID(job.removeprefix("import-")))
    return importer.query(
        "select name, email from contacts where id::text like %s order by id", f"{prefix}%"
    )


def told(file: bytes) -> list[tuple[str, str]]:
    rows = csv.DictReader(StringIO(file.decode("utf-8-sig"), newline=""))
    return [(row["Full Name"], row["E-Mail"]) for row in rows]


def run_once(importer: Importer) -> None:
    done = importer.run("tasks", "--once")
    assert done.returncode == 0, done.stderr


def test_a_file_of_rejections_can_be_sent_again(importer: Importer) -> None:
    from_csv, from_json = send(importer, SENT.encode()), importer.post(OBJECTS)
    run_once(importer)
    files = [rejections(importer, job) for job in (from_csv, from_json)]

    def correct_rows(rows: Rows) -> None:
        assert [(row["record"], row["hint"]) for row in rows] == [
            ("2", ""), ("3", "eve@example.com"), ("4", ""), ("5", ""), ("6", ""),
        ]  # fmt: skip
        assert (rows[0]["Full Name"], rows[0]["Phone"]) == ("'=Zoë", "'=1+1")
        assert (rows[1]["Full Name"], rows[2]["content"]) == ('Eve "the" é', "4,y,bob@example.com")
        assert (rows[3]["E-Mail"], rows[3]["Full Name"]) == ("'-nobody-", "two\nlines")
        rows[0]["E-Mail"] = "zoe@gmail.com"
        rows[1]["E-Mail"] = rows[1]["hint"]
        rows[3]["E-Mail"] = ""

    def correct_objects(rows: Rows) -> None:
        assert [row["code"] for row in rows] == ["email_invalid", "name_not_text", "not_an_object"]
        assert (rows[0]["phone"], rows[1]["name"], rows[2]["content"]) == ("'=1+1", "5", "7")
        rows[0]["email"] = "zoe@gmail.com"

    as_it_is = send(importer, files[0])
    again = [
        send(importer, edited(files[0], correct_rows, delimiter=";")),
        send(importer, edited(files[1], correct_objects)),
    ]
    run_once(importer)

    assert stored(importer, again[0]) == [
        ("=Zoë", "zoe@gmail.com"), ('Eve "the" é', "eve@example.com"), ("two\nlines", None),
    ]  # fmt: skip
    assert importer.counts(again[0]) == (3, 2)
    assert stored(importer, again[1]) == [("=Zoë", "zoe@gmail.com"), ("5", "eve@example.com")]
    assert importer.counts(again[1]) == (2, 1)
    assert importer.counts(as_it_is) == (0, 5)
    assert told(rejections(importer, as_it_is)) == told(files[0])
