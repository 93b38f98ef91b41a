"""YAML as data only: 1.2 scalars, positions, and nothing that surprises or exhausts."""

from __future__ import annotations

import sys

import pytest

from campaigns.errors import CampaignError, Fault
from campaigns.yaml_reader import DEEPEST, LONGEST, MOST_VALUES, read


def refused(text: str | bytes) -> tuple[Fault, ...]:
    with pytest.raises(CampaignError) as error:
        read(text, file="f.yaml")
    return error.value.faults


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("1:30", "1:30"),
        ("22:00", "22:00"),
        ("2026-12-01", "2026-12-01"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("+.5e-3", 0.0005),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("-7", -7),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("null", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("'<<'", "<<"),
        ("12 h", "12 h"),
        (".", "."),
        ("1e", "1e"),
    ],
)
def test_scalars_are_those_of_the_core_schema(text: str, value: object) -> None:
    got = read(f"a: {text}", file="f").data["a"]
    assert got == value and type(got) is type(value)


def test_positions_of_keys_and_values() -> None:
    document = read("a: 1\nb:\n  - {c: [x, y]}\n", file="f.yaml")
    assert document.data == {"a": 1, "b": [{"c": ["x", "y"]}]}
    assert document.position(("a",)) == (1, 4)
    assert document.position(("a",), key=True) == (1, 1)
    assert document.position(("b", 0, "c", 1)) == (3, 13)
    assert document.position(("b", 0, "c"), key=True) == (3, 6)
    assert document.position(("b", 0, "missing", 7)) == (3, 5), "the nearest that is there"


def test_line_ends_and_byte_order_mark_do_not_shift_positions() -> None:
    for text in ("\ufeffa: 1\r\nbb: 2\r\n", "a: 1\nbb: 2\n", b"\xef\xbb\xbfa: 1\nbb: 2"):
        assert read(text, file="f").position(("bb",)) == (2, 5)


def test_several_faults_of_the_text_at_once() -> None:
    found = refused("a: 1\na: 2\n3: x\nb: .inf\nc: &d !!set {}\nd: *d\n")
    assert [fault.code for fault in found] == ["E108", "E109", "E114", "E106", "E105", "E106"]
    assert [fault.line for fault in found] == [2, 3, 4, 5, 5, 6]


def test_a_second_key_names_the_line_of_the_first() -> None:
    assert "line 1" in refused("max_temp: 80\nmax_temp: 800\n")[0].cure


@pytest.mark.parametrize("open_bracket", ["[", "{a: ", "- ", '{"a":', "? ", "[a,", "{", "[? "])
def test_deep_nesting_is_refused_before_it_is_followed(open_bracket: str) -> None:
    text = (open_bracket * (LONGEST // len(open_bracket)))[:LONGEST]
    before = sys.getrecursionlimit()
    assert refused(text)[0].code in ("E112", "E109", "E104")
    assert sys.getrecursionlimit() == before


def test_depth_is_counted_exactly() -> None:
    assert read("[" * DEEPEST + "]" * DEEPEST, file="f").data
    assert refused("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))[0].code == "E112"


def test_length_is_counted_in_bytes() -> None:
    assert read("#" * (LONGEST - 2) + "\na", file="f").data == "a"
    assert refused("a" * (LONGEST + 1))[0].code == "E101"
    assert refused("é" * (LONGEST // 2 + 1))[0].code == "E101"
    assert refused(b"a" * (LONGEST + 1))[0].code == "E101"


def test_values_are_counted() -> None:
    n = MOST_VALUES - 1  # the list itself is one
    assert len(read("[" + "1," * n + "]", file="f").data) == n
    assert refused("[" + "1," * (n + 1) + "]")[0].code == "E113"


def test_faults_are_bounded() -> None:
    assert len(refused("a: 1\n" * 5000)) <= 50


def test_billion_laughs_expands_to_nothing() -> None:
    text = "a: &a [x, x]\n" + "".join(f"k{i}: &k{i} [*a, *a]\n" for i in range(30))
    assert {fault.code for fault in refused(text)} == {"E106"}


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!str", "!mine", "!", "!<tag:yaml.org,2002:int>", "!!binary"]
)
def test_no_tag_at_all(tag: str) -> None:
    assert refused(f"a: {tag} x")[0].code == "E105"


@pytest.mark.parametrize("text", ["<<: {a: 1}", "a: {<<: [{b: 1}], c: 2}", "a:\n  <<: *x"])
def test_no_merge_keys(text: str) -> None:
    assert "E107" in [fault.code for fault in refused(text)]


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: b: c",
        "a: 'x",
        "@a",
        "`a",
        "a: %b",
        '"\\q"',
        '"\\U00110000"',
        "!<a",
        '"a" "b"',
        "a:\n\t- b",
        "- [",
        "*",
    ],
)
def test_syntax_errors_have_a_place(text: str) -> None:
    fault = refused(text)[0]
    assert fault.code in ("E104", "E106")
    assert fault.line is not None and fault.line >= 1 and fault.column is not None and fault.column >= 1


@pytest.mark.parametrize(
    "character", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "\ud800"]
)
def test_odd_characters_are_refused_with_their_place(character: str) -> None:
    fault = refused(f"a: b\nc: d{character}e")[0]
    assert (fault.code, fault.line, fault.column) == ("E103", 2, 5)


@pytest.mark.parametrize("escape", ["\\0", "\\x07", "\\ud800", "\\u202e", "\\N"])
def test_odd_characters_cannot_be_escaped_in(escape: str) -> None:
    assert refused(f'a: "{escape}"')[0].code == "E103"


def test_text_in_any_script_is_text() -> None:
    assert read("a: Größe 温度 µ °C 🧪", file="f").data["a"] == "Größe 温度 µ °C 🧪"


def test_bytes_that_are_not_utf8() -> None:
    fault = refused(b"a: 1\nb: \xff")[0]
    assert (fault.code, fault.line, fault.column) == ("E102", 2, 4)


def test_a_fault_reads_as_one_line() -> None:
    fault = Fault(
        "E204",
        wanted="a number",
        got="'x'",
        cure="write one",
        file="t.yaml",
        line=12,
        column=5,
        path="a[1].b",
    )
    assert fault.render() == "t.yaml:12:5 E204 a[1].b: wanted a number, got 'x'. Cure: write one."
    assert Fault("E100", message="gone").render() == "E100: gone."
