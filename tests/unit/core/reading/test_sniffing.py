"""Formats that are not read are known by their first bytes; lists of contacts are not mistaken."""

import io
import sqlite3
import time
import zipfile

import pytest

from core.errors import MalformedInputError
from core.reading.sniffing import begins_like_json, check_binary, check_text


def zip_of(*names: str, content: str = "x" * 100) -> bytes:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return stored.getvalue()


def sqlite_database(folder) -> bytes:
    path = folder / "contacts.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table contacts (name text)")
    connection.close()
    return path.read_bytes()


def refused(sample: bytes | str) -> MalformedInputError:
    with pytest.raises(MalformedInputError) as caught:
        check_binary(sample) if isinstance(sample, bytes) else check_text(sample)
    assert caught.value.code == "unsupported_file"
    assert caught.value.detail.endswith(".")
    return caught.value


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
ODS = "application/vnd.oasis.opendocument.spreadsheet"
BINARY = [
    (zip_of("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"), "Excel"),
    (zip_of("xl/worksheets/sheet1.xml"), "Excel"),
    (zip_of("docProps/app.xml", "xl/styles.xml", "[Content_Types].xml"), "Excel"),
    (zip_of("[Content_Types].xml"), "Excel"),
    (zip_of("[Content_Types].xml", "word/document.xml"), "Word"),
    (b"PK\x03\x04" + bytes(26) + b"mimetype" + ODS.encode(), ".ods"),
    (zip_of("preview.jpg", "Index/Document.iwa"), "Numbers"),
    (zip_of("contacts.csv"), "ZIP"),
    (zip_of(), "ZIP"),
    (OLE, "Excel"),
    (b"\x09\x08\x10\x00\x00\x06\x05\x00", "Excel"),
    (b"%PDF-1.7\n1 0 obj", "PDF"),
    (b"Rar!\x1a\x07\x01\x00", "RAR"),
    (b"7z\xbc\xaf\x27\x1c\x00\x04", "7-Zip"),
    (b"BZh91AY&SY\x00\x00", "bzip2"),
    (b"\x89PNG\r\n\x1a\n\x00\x00", "PNG"),
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "JPEG"),
    (b"GIF89a\x01\x00\x01\x00", "GIF"),
    (b"PAR1\x15\x04\x15\x00", "Parquet"),
    (b"!BDN\x00\x01\x02\x03", ".pst"),
    (b"Obj\x01\x04\x14avro", "Avro"),
]


@pytest.mark.parametrize(("sample", "named"), BINARY, ids=lambda item: repr(item)[:30])
def test_binary_formats_are_refused_by_name(sample, named):
    assert named in refused(sample).detail


def test_a_database_is_refused_by_name(tmp_path):
    assert "SQLite" in refused(sqlite_database(tmp_path)).detail


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("BEGIN:VCARD\r\nVERSION:3.0\r\n", "vCard"),
        ("\r\n begin:vcard\n", "vCard"),
        ("BEGIN:VCALENDAR\n", "calendar"),
        ("dn: cn=Ada,mail=ada@example.com\nobjectclass: top\n", "LDIF"),
        ("version: 1\n\n# a comment\ndn:: Y249\n", "LDIF"),
        ("version: 1\ndn: cn=x\n", "LDIF"),
        ("{\\rtf1\\ansi", "RTF"),
        ("<html><body><table>", "HTML"),
        ("<!DOCTYPE html>\n<html>", "HTML"),
        ("<!-- saved -->\n<TABLE border=1>", "HTML"),
        ("<meta charset=utf-8><style>", "HTML"),
        ('<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>', "Excel"),
        ('<?xml version="1.0"?><contacts>', "XML"),
        ("<contacts><contact>", "XML"),
        ("-- MySQL dump 10.13\n\n/*!40101 SET NAMES utf8 */;\nDROP TABLE IF EXISTS `a`;", "SQL"),
        ("INSERT INTO contacts VALUES (1)", "SQL"),
        ("From ada@example.com Thu Nov 26 09:00:00 2026\n", "mbox"),
        ("\x01\x02\x03 a b c \x04", "binary"),
    ],
)
def test_texts_in_other_formats_are_refused_by_name(text, named):
    assert named in refused(text).detail


LISTS = [
    "name,email\nAda,ada@example.com\n",
    "dn,mail\ncn=ada,ada@example.com\n",
    "DN;Mail\n",
    "ORCID,name\n",
    "PAR100,name\n",
    "RIFF;name\n",
    "BZh,email\n",
    "From,To\nada@example.com,bob@example.com\n",
    "From: Ada\n",
    "Insert,name\n",
    "select name\n",
    "version,name\n",
    "<ada@example.com>,<bob@example.com>\n",
    "Ada <ada@example.com>\n",
    "#TYPE Selected.Contact\n",
    "-- name\nAda\n",
    "%Name,Email\n",
    "BEGIN,END\n",
    "name\x00\x00,email\x00\n",
    "name,email\nA\x0bda,ada@example.com\n" + "Bob,bob@example.com\n" * 9,
    "",
]


@pytest.mark.parametrize("text", LISTS)
def test_lists_are_not_mistaken_for_other_formats(text):
    check_text(text)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-be"):
        check_binary(text.encode(encoding))


@pytest.mark.parametrize(
    ("sample", "name"), [(b"\x1f\x8b\x08\x00", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd")]
)
def test_a_compressed_file_is_named_with_its_compression(sample, name):
    with pytest.raises(MalformedInputError) as caught:
        check_binary(sample)
    assert caught.value.code == "wrong_encoding"
    assert name in caught.value.detail


@pytest.mark.parametrize(
    ("text", "is_json"),
    [
        ('{"name": "Ada"}', True),
        (' \n{\n  "na\\"me" :', True),
        ("{}", True),
        ("[]", True),
        ('[{"a":1}', True),
        ("[\n  {\n", False),
        ('[ { "', True),
        ("[{}]", True),
        ("[1,2]", False),
        ("{name: 1}", False),
        ("[Draft] name,email\n", False),
        ("{{name}},email\n", False),
        ('"{""a"":1}",email\n', False),
        ("name,email\n", False),
        ("", False),
    ],
)
def test_json_is_known_by_its_beginning(text, is_json):
    assert begins_like_json(text) is is_json


@pytest.mark.parametrize(
    "unit",
    ["/**/", "<!---->", "#\n", "-- \n", " ", "SET a;", "<a ", '"\\', "{", "[", "dn:", "\n", "<?"],
)
def test_no_text_takes_long(unit):
    """Backtracking would take minutes for these; the limit is far from what a check takes."""
    text = (unit * 65536)[:65536]
    start = time.process_time()
    for prefix in ("", "version: 1\n", "<?xml ?>", "{"):
        begins_like_json(prefix + text)
        try:
            check_text(prefix + text)
        except MalformedInputError:
            continue
    assert time.process_time() - start < 10
