"""Rejections as a file that users correct and send again."""

import csv
from collections.abc import Callable
from io import StringIO
from uuid import UUID

import httpx
import pytest

from core.ids import contact_id_prefix
from tests.acceptance.conftest import Importer

MANY = 40_000
SENT = """Id,Phone,E-Mail,Full Name
1,+49 170,ada@gmail.com,Ada
2,=1+1,zoe@gmial,=Zoë
3,x,"eve@example,com","Eve ""the"" é"
4,y,bob@example.com,Bob,more
5,-5,-nobody-,"two
lines"
6,z,too.long@example.com,{}
""".format("n" * 1001)
OBJECTS = [
    {"name": "Ada", "email": "ada@gmail.com"},
    {"name": "=Zoë", "email": "zoe@gmial", "phone": "=1+1"},
    {"name": True, "email": "eve@example.com", "phone": None},
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
    """Read and write a file as a spreadsheet does; many write semicolons."""
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


def names_and_emails(file: bytes) -> list[tuple[str, str]]:
    rows = csv.DictReader(StringIO(file.decode("utf-8-sig"), newline=""))
    return [(row["Full Name"], row["E-Mail"]) for row in rows]


def run_once(importer: Importer) -> None:
    done = importer.run("tasks", "--once")
    assert done.returncode == 0, done.stderr


def test_rejections_file_can_be_corrected_and_imported(importer: Importer) -> None:
    from_csv, from_json = send(importer, SENT.encode()), importer.post(OBJECTS)
    run_once(importer)
    files = [rejections(importer, job) for job in (from_csv, from_json)]

    def correct_rows(rows: Rows) -> None:
        assert [(row["record"], row["hint"]) for row in rows] == [
            ("2", ""), ("3", "eve@example.com"), ("4", ""), ("5", ""), ("6", ""),
        ]  # fmt: skip
        assert (rows[0]["Full Name"], rows[0]["Phone"]) == ("'=Zoë", "'=1+1")
        assert (rows[1]["Full Name"], rows[2]["content"]) == (
            'Eve "the" é',
            "4,y,bob@example.com,Bob,more",
        )
        assert (rows[3]["E-Mail"], rows[3]["Full Name"]) == ("'-nobody-", "two\nlines")
        rows[0]["E-Mail"] = "zoe@gmail.com"
        rows[1]["E-Mail"] = rows[1]["hint"]
        rows[3]["E-Mail"] = ""

    def correct_objects(rows: Rows) -> None:
        assert [row["code"] for row in rows] == ["email_invalid", "name_not_text", "not_an_object"]
        assert (rows[0]["phone"], rows[1]["name"], rows[2]["content"]) == ("'=1+1", "true", "7")
        rows[0]["email"] = "zoe@gmail.com"

    as_it_is = send(importer, files[0])
    again = [
        send(importer, edited(files[0], correct_rows, delimiter=";")),
        send(importer, edited(files[1], correct_objects)),
    ]
    run_once(importer)

    assert stored(importer, again[0]) == [
        ("=Zoë", "zoe@gmail.com"), ('Eve "the" é', "eve@example.com"), ("two lines", None),
    ]  # fmt: skip
    assert importer.counts(again[0]) == (3, 2)
    assert stored(importer, again[1]) == [("=Zoë", "zoe@gmail.com"), ("true", "eve@example.com")]
    assert importer.counts(again[1]) == (2, 1)
    assert importer.counts(as_it_is) == (0, 5)
    assert names_and_emails(rejections(importer, as_it_is)) == names_and_emails(files[0])


def nowhere(count: int) -> bytes:
    """Return a file of which two rows in three are rejected, alternately for two reasons."""
    rows = (
        (f"P{n},nowhere,x\n", ",,x\n", f"P{n},p{n}@x.org,x\n")[n % 3] for n in range(1, count + 1)
    )
    return b"name,email,id\n" + "".join(rows).encode()


def folder(importer: Importer, job: str) -> list[str]:
    """Return the names of the objects with rejections."""
    key = importer.env["SUPABASE_SERVICE_ROLE_KEY"]
    found = httpx.post(
        f"{importer.env['SUPABASE_URL']}/storage/v1/object/list/imports",
        json={"prefix": f"{job}.rejections", "limit": 1000},
        headers={"apikey": key, "Authorization": f"Bearer {key}"},
    )
    return [entry["name"] for entry in found.raise_for_status().json()]


@pytest.mark.parametrize("more", [{"CONTACTS_WRITER": "postgrest"}, {"CONTACTS_WRITER": "copy"}])
def test_all_rejections_are_kept(importer: Importer, more: dict[str, str]) -> None:
    job = send(importer, nowhere(MANY))
    assert importer.run("tasks", "--once", **more).returncode == 0
    rejected = [n for n in range(1, MANY + 1) if n % 3 != 2]
    codes = ["email_invalid" if n % 3 == 0 else "no_name_and_no_email" for n in rejected]

    shown = importer.shown(job)
    assert (shown["imported"], shown["rejected"]) == (MANY - len(rejected), len(rejected))
    assert shown["rejectedByCode"] == {code: codes.count(code) for code in set(codes)}
    assert folder(importer, job)

    text = rejections(importer, job).decode("utf-8-sig")
    rows = list(csv.DictReader(StringIO(text, newline="")))
    assert [int(row["record"]) for row in rows] == rejected
    assert [row["code"] for row in rows] == codes
    assert {(row["name"], row["email"]) for row in rows[-2:]} == {
        ("P39999", "nowhere"), ("", ""),
    }  # fmt: skip

    _pages_are_the_same(importer, job, rejected)

    importer.http.delete(f"/import/{job}")
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.shown(job)["state"] == "undone"
    assert folder(importer, job) == []
    assert importer.shown(job)["rejectedByCode"] == {}


def _pages_are_the_same(importer: Importer, job: str, rejected: list[int]) -> None:
    """Also from the table to an object, and within an object."""
    for start in (0, 990, 998, 999, 1000, 20_000, len(rejected) - 3):
        query: dict[str, str] = {"limit": "7"} | (
            {"cursor": str(rejected[start - 1])} if start else {}
        )
        page = (
            importer.http.get(f"/import/{job}/rejections", params=query).raise_for_status().json()
        )
        found = [one["record"] for one in page["rejections"]]
        assert found == rejected[start : start + 7]
        assert page["next"] == (str(found[-1]) if start + 7 < len(rejected) else None)


def test_dry_run_keeps_all_rejections(importer: Importer) -> None:
    answer = importer.http.post(
        "/import?source=check&dryRun=true",
        content=nowhere(6000),
        headers={"Content-Type": "text/csv"},
    )
    job = str(answer.json()["jobId"])
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.counts(job) == (2000, 4000)
    assert rejections(importer, job).count(b"\n") == 1 + 4000


def test_rejection_objects_of_a_killed_attempt_are_removed_by_the_next(
    importer: Importer,
) -> None:
    job = send(importer, nowhere(6000))
    assert importer.run("tasks", "--once").returncode == 0
    first = folder(importer, job)
    importer.query(
        "update imports set state = 'importing', finished_at = null where id = %s; "
        "update import_parts set state = 'importing', imported = 0, rejected = 0, skipped = 0 "
        "where import_id = %s; select recount_import(%s)",
        *[job.removeprefix("import-")] * 3,
    )

    assert importer.run("tasks", "--once").returncode == 0

    second = folder(importer, job)
    assert len(first) == len(second) == 1
    assert first != second
    assert importer.counts(job) == (2000, 4000)
    assert rejections(importer, job).count(b"\n") == 1 + 4000
