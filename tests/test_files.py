from pathlib import Path

import pyarrow as pa
import pytest

from lib.files import write_bytes, write_table, write_text


def test_folders_are_made_and_no_temporary_stays(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    write_text(path, "grüß\n")
    assert path.read_bytes() == b"gr\xc3\xbc\xc3\x9f\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_equal_tables_are_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_table(tmp_path / name, pa.table({"id": ["a", "b"], "n": [1, None]}))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
