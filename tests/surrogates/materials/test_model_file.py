"""A model file holds what was put in, says so when it does not, and executes nothing."""

from __future__ import annotations

import hashlib
import io
import pickle

import numpy as np
import pytest

from surrogates.materials import model_file
from surrogates.materials.errors import ModelFileError

DOCUMENT = {"targets": ["log_k"], "scale": 0.1 + 0.2}
ARRAYS = {"0/weight": np.arange(6, dtype=np.float32).reshape(2, 3), "0/steps": np.array(7)}


def written(folder, name="a.model"):
    path = folder / name
    model_file.write(path, DOCUMENT, ARRAYS)
    return path


def test_what_is_written_is_read(tmp_path) -> None:
    document, arrays = model_file.read(written(tmp_path))
    assert document == DOCUMENT
    assert arrays.keys() == ARRAYS.keys()
    assert all(np.array_equal(arrays[k], ARRAYS[k]) and arrays[k].dtype == ARRAYS[k].dtype for k in ARRAYS)
    assert [p.name for p in tmp_path.iterdir()] == ["a.model"]


def test_the_same_content_is_the_same_bytes(tmp_path) -> None:
    assert written(tmp_path).read_bytes() == written(tmp_path, "b.model").read_bytes()


def test_every_flipped_byte_and_every_cut_is_seen(tmp_path) -> None:
    whole = written(tmp_path).read_bytes()
    path = tmp_path / "damaged.model"
    changed = [whole[:cut] for cut in range(0, len(whole), 37)] + [whole + b"x"]
    changed += [whole[:i] + bytes([whole[i] ^ 0x01]) + whole[i + 1 :] for i in range(0, len(whole), 7)]
    for content in changed:
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"damaged\.model.*(fit|load)"):
            model_file.read(path)


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a file was executed",)


def test_foreign_files_are_refused_and_never_executed(tmp_path) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    for name, content in {"text": b"hello", "empty": b"", "pickle": pickle.dumps(Bomb())}.items():
        (tmp_path / name).write_bytes(content)
    for name in ("text", "empty", "pickle", "other.npz"):
        with pytest.raises(ModelFileError, match=f"{name}: wanted a file of a materials ensemble"):
            model_file.read(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        model_file.read(tmp_path / "absent")


def test_a_pickle_inside_an_honest_file_is_not_executed(tmp_path) -> None:
    archive = io.BytesIO()
    np.savez(archive, document=np.frombuffer(b"{}", dtype=np.uint8), x=np.array([Bomb()], dtype=object))
    digest = hashlib.sha256(archive.getvalue()).hexdigest().encode()
    head = b"%s %d %s\n" % (model_file.FORMAT, model_file.VERSION, digest)
    (tmp_path / "bomb").write_bytes(head + archive.getvalue())
    with pytest.raises(ModelFileError, match=r"bomb: .*allow_pickle=False"):
        model_file.read(tmp_path / "bomb")


def test_another_version_says_what_to_do(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(model_file, "VERSION", 2)
    path = written(tmp_path)
    monkeypatch.undo()
    with pytest.raises(
        ModelFileError, match="wanted version 1 of the format, got 2; load it with the release"
    ):
        model_file.read(path)


def test_data_fingerprint_depends_on_all_of_the_data() -> None:
    values = np.array([[1.0, np.nan], [2.0, 3.0]])
    base = model_file.data_fingerprint(["a", "b"], values, ("x", "y"))
    assert base == model_file.data_fingerprint(["a", "b"], values.copy(), ("x", "y"))
    others = [
        model_file.data_fingerprint(["b", "a"], values, ("x", "y")),
        model_file.data_fingerprint(["a", "b"], values[::-1], ("x", "y")),
        model_file.data_fingerprint(["a", "b"], np.nan_to_num(values), ("x", "y")),
        model_file.data_fingerprint(["a", "b"], values, ("y", "x")),
    ]
    assert len({base, *others}) == 5


def test_a_document_that_json_cannot_hold_leaves_nothing_behind(tmp_path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        model_file.write(tmp_path / "a.model", {"x": float("nan")}, {})
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_put_in_its_place_leaves_nothing_behind(tmp_path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        model_file.write(tmp_path / "taken", DOCUMENT, ARRAYS)
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]
