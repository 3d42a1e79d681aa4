"""Formulas become text, and nothing is lost."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats.formula_escaping import escape_formulas, unescape_formulas

HIDDEN = {
    0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810),
    *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164,
    *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, 0xFFF9, 0xFFFA, 0xFFFB,
}  # fmt: skip
"""What fonts show nothing for (Default_Ignorable_Code_Point, and annotations)."""
INVISIBLE = "\u00ad\u200b\u202e\u2060\ufeff"
CELLS = st.text("=+-@\uff1d;\t\r\n' \u00a0a,1\"" + INVISIBLE, max_size=12) | st.text(max_size=20)


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("", ""),
        ("Ada", "Ada"),
        ("O'Neil", "O'Neil"),
        ("'quoted'", "'quoted'"),
        ("ada@example.com", "ada@example.com"),
        ("a-b+c=d", "a-b+c=d"),
        ("=1+1", "'=1+1"),
        ("+49 170 1234567", "'+49 170 1234567"),
        ("-5", "'-5"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\uff1d1", "'\uff1d1"),
        (" =1", "' =1"),
        ("\u00a0=1", "'\u00a0=1"),
        ("\u200b=1", "'\u200b=1"),
        ("\ufeff\u202e'\u2060=1", "'\ufeff\u202e'\u2060=1"),
        ("a;\u00ad=1", "a;'\u00ad=1"),
        ("\tx", "'\tx"),
        ("\r=1", "'\r'=1"),
        ("\nx", "'\nx"),
        ("a;=1", "a;'=1"),
        ("a; -1", "a;' -1"),
        ("a\n=1", "a\n'=1"),
        ("a\r\n+1\tx", "a\r\n'+1\tx"),
        ("'=1", "''=1"),
        ("'\tx", "''\tx"),
    ],
)
def test_escape_formulas_inserts_an_apostrophe(cell, safe):
    assert escape_formulas(cell) == safe
    assert unescape_formulas(safe) == cell


@given(CELLS)
def test_unescape_formulas_restores_any_cell(cell):
    assert unescape_formulas(escape_formulas(cell)) == cell


@given(CELLS, st.sampled_from([None, ";", "\t", "\n", "\r"]))
def test_no_escaped_cell_starts_a_formula_however_the_file_is_split(cell, divider):
    for part in escape_formulas(cell).split(divider) if divider else [escape_formulas(cell)]:
        seen = part.strip().strip(INVISIBLE + " \u00a0\t\r\n")
        assert not seen.startswith(("=", "+", "-", "@", "\uff1d"))


@pytest.mark.parametrize("cell", ["=1", "'x", "Ada", "-", "ada@example.com", "it's; fine"])
def test_unescape_formulas_keeps_cells_that_are_not_escaped(cell):
    assert unescape_formulas(cell) == cell


@pytest.mark.parametrize("char", ["\n", ";", " ", "'", "\t", "; ", "='"])
def test_long_cells_take_linear_time(char):
    cell = char * (400_000 // len(char))
    assert unescape_formulas(escape_formulas(cell)) == cell  # or it does not end in time


def test_white_space_before_a_formula_is_skipped_unless_it_starts_a_cell():
    for char in map(chr, range(sys.maxunicode + 1)):
        marked = escape_formulas(f"{char}=")
        is_skipped = char.isspace() or ord(char) in HIDDEN
        if char in "=+-@\uff1d\uff0b\uff0d\uff20'" or (is_skipped and char not in "\t\r\n"):
            assert marked == f"'{char}=", ascii(char)
        elif char == ";":
            assert marked == ";'="
        else:
            assert marked == (f"'{char}'=" if char in "\t\r\n" else f"{char}="), ascii(char)
