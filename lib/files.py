"""Write a file that is either whole or absent: a temporary beside it, then one rename.

A full or unwritable disk is the user's to mend, wherever it is met: on the driver or on a worker, it is said in one line.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import StorageError

ROW_GROUP = 8192
"""Rows of a Parquet row group: who wants a range of a sorted file reads little more than that range."""


@contextlib.contextmanager
def storage_errors(root: Path) -> Iterator[None]:
    """Turn a full or unwritable disk into a `StorageError` that names the storage."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(f"storage {root} is full: free some space or give another with storage=...") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG):
            raise StorageError(
                f"storage {root} cannot be written ({error.strerror}): give another with storage=..."
            ) from error
        raise
    except Exception as error:
        if type(error).__name__ == "SafetensorError" and "I/O error" in str(
            error
        ):  # its own type for what is an OSError
            raise StorageError(
                f"storage {root} cannot be written ({error}): free some space or give another with storage=..."
            ) from error
        raise


@contextlib.contextmanager
def replacing(path: Path, *, keep: bool = False) -> Iterator[Path]:
    """Yields a temporary beside `path`, in a folder that is made, and puts it in `path`'s place when the block ends well.

    Args:
        keep: a file that is there by then stays, in one step: of two that write it, the first counts.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if keep:
                with contextlib.suppress(FileExistsError):
                    os.link(temporary, path)
            else:
                os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, keep: bool = False) -> None:
    """Write `content` to `path` through a temporary in the same folder, creating the folder."""
    with replacing(path, keep=keep) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode("utf-8"))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines of UTF-8 text one after the other, each with a line end, as they come; none of them is kept."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def write_table(path: Path, table: pa.Table, *, keep: bool = False) -> None:
    """Write a Parquet file. The bytes depend on the rows alone, so equal tables are equal files.

    Args:
        keep: see `replacing`; for files that two runs may both be making, and another may have published already.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=ROW_GROUP)
    write_bytes(path, sink.getvalue().to_pybytes(), keep=keep)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A small Parquet file, or some columns of it, in the file's order.

    `pyarrow.parquet.read_table` makes a data set and threads of the one file, which takes three times as long as reading it; a
    report opens thousands.
    """
    with pq.ParquetFile(path) as file:
        return file.read(columns=None if columns is None else list(columns), use_threads=False)


def array_bytes(array: np.ndarray) -> bytes:
    """An array as the bytes of a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def sync(path: Path) -> None:
    """What is written of a file or folder is on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
