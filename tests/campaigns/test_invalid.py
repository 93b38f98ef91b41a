"""The corpus of files that must be refused: the first line of each says which fault, and where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from campaigns.errors import CODES, CampaignError
from campaigns.load import load

CORPUS = sorted((Path(__file__).parent / "invalid").glob("*.yaml"))
_EXPECTED = re.compile(rb"# expect: (E\d{3}) at (\d+):(\d+)\n")


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) >= 100


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_refused_with_code_line_and_column(path: Path) -> None:
    found = _EXPECTED.match(path.read_bytes())
    assert found is not None, "the first line of a corpus file says what is expected"
    code, line, column = found[1].decode(), int(found[2]), int(found[3])

    with pytest.raises(CampaignError) as refused:
        load(path)

    faults = refused.value.faults
    assert (code, line, column) in [(f.code, f.line, f.column) for f in faults], str(refused.value)
    for fault in faults:
        assert fault.file == str(path)
        assert fault.code in CODES
        assert (fault.wanted and fault.got) or (fault.code == "E104" and fault.message)
        assert "\n" not in fault.render()
        assert len(fault.render()) < 600


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_one_mistake_is_not_reported_as_many(path: Path) -> None:
    with pytest.raises(CampaignError) as refused:
        load(path)
    several = {"yaml_billion_laughs": 14, "yaml_python_tag": 1}
    assert len(refused.value.faults) <= several.get(path.stem, 2), str(refused.value)


def test_every_code_of_the_language_is_in_the_corpus() -> None:
    expected = {found[1].decode() for path in CORPUS if (found := _EXPECTED.match(path.read_bytes()))}
    # Too long, too many and too large do not fit a file in a repository, and the rest needs a table or a
    # command line; each has a test of its own.
    elsewhere = {"E100", "E101", "E113", "E232", "E234", "E263", "E280", "E290", "E291"}
    assert expected | elsewhere == set(CODES)
