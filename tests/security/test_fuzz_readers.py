"""Corpus readers and the reader of answer files, given anything: rows, reasons or one line that refuses the file."""

from __future__ import annotations

import gzip
import json
import lzma
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from lib.corpus.ingest import READ, read_file
from lib.corpus.reader import Reader
from lib.corpus.records import SUFFIXES, BadRow, records
from lib.errors import UserError
from lib.generation.answer_file import read_answer_file
from lib.generation.answers import GENERATIONS
from lib.generation.prompts import PromptFormat
from tests.security.fuzz import odd_texts, said_in_one_line, tiers, values

READERS = sorted(Reader.names())
FORMATS = sorted(PromptFormat.names())
TABLE = {"instruction": "instruction", "response": "response", "categories": "category", "is_safe": "is_safe"}
TURNS = [
    {"role": "user", "content": "a", "from": "human", "value": "b"},
    {"role": "assistant", "content": "c", "from": "gpt", "value": "d"},
]
GOOD: dict[str, Any] = {
    "instruction": "a", "response": "b", "output": "c", "input": "d", "context": "e", "prompt": "f", "question": "g",
    "system_prompt": "h", "category": {"x": True}, "is_safe": True, "messages": TURNS, "conversations": TURNS,
    "response_0": "i", "response_1": "j", "is_response_0_safe": True, "is_response_1_safe": False,
    "response_0_harm_category": {"y": False}, "response_1_harm_category": {"y": True}, "categories": ["x"],
    "harmful_request": True, "refusal": None, "harmful_response": False, "answer": "k", "kind": "harmful",
}  # fmt: skip
"""A record that every format takes."""

turn = st.dictionaries(
    st.sampled_from(["role", "content", "from", "value", "x"]),
    st.one_of(values, st.sampled_from(["user", "human", "gpt", "assistant", "system"])),
)
changes = st.dictionaries(
    st.sampled_from(sorted(GOOD)),
    st.one_of(
        values, st.lists(st.one_of(turn, values), max_size=3), st.dictionaries(odd_texts, st.booleans(), max_size=2)
    ),
    max_size=3,
)
rows = st.lists(
    st.one_of(st.tuples(changes, st.lists(st.sampled_from(sorted(GOOD)), max_size=2)), values), min_size=1, max_size=3
)


def record(one: Any) -> Any:
    if not isinstance(one, tuple):
        return one
    changed, dropped = one
    return {key: value for key, value in {**GOOD, **changed}.items() if key not in dropped}


def written(folder: str, name: str, content: bytes) -> Path:
    path = Path(folder) / name
    path.write_bytes(content)
    return path


def read_all(path: Path, formats: list[str]) -> None:
    for name in formats:
        columns = TABLE if name == "table" else None
        try:
            tables = list(
                read_file({"path": str(path), "format": name, "columns": columns, "max_chars": 50, "index": 0}, 2)
            )
        except UserError as error:
            said_in_one_line(error)
            continue
        for table in tables:
            assert table.schema == READ
            table.validate(full=True)


def check_rows(chosen: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = [record(one) for one in chosen]
        read_all(written(folder, "rows.jsonl", "\n".join(map(json.dumps, made)).encode()), READERS)


def check_bytes(suffix: str, content: bytes, wrapped: bool) -> None:
    if wrapped:
        content = (
            gzip.compress(content)
            if suffix.endswith(".gz")
            else lzma.compress(content)
            if suffix.endswith(".xz")
            else content
        )
    with tempfile.TemporaryDirectory() as folder:
        path = written(folder, f"rows{suffix}", content)
        try:
            assert all(isinstance(place, str) and isinstance(one, dict | BadRow) for place, one in records(path))
        except UserError as error:
            said_in_one_line(error, str(path))
        read_all(path, ["alpaca", "ballast", "messages"])


def check_answers(chosen: list[Any], suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = [record(one) for one in chosen]
        text = json.dumps(made) if suffix == ".json" else "\n".join(map(json.dumps, made))
        path = written(folder, f"answers{suffix}", text.encode())
        try:
            table = read_answer_file(path)
        except UserError as error:
            said_in_one_line(error, str(path))
            return
        assert table.schema == GENERATIONS
        assert table.num_rows == len(made)
        table.validate(full=True)


def check_prompts(one: Any) -> None:
    made = record(one)
    if not isinstance(made, dict):
        return
    for name in FORMATS:
        try:
            prompt = PromptFormat.find(name)().prompt(made)
        except (BadRow, KeyError):
            continue
        assert isinstance(prompt.text, str)
        assert all(isinstance(name, str) for name in prompt.categories)


json_bytes = st.one_of(
    st.binary(max_size=200),
    values.map(lambda value: json.dumps(value).encode()),
    st.lists(values, max_size=3).map(lambda many: "\n".join(map(json.dumps, many)).encode()),
    st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")),
    st.just(b"[" * 5000), st.just(b'{"a":' * 5000), st.just(b"PAR1" + b"\0" * 20 + b"PAR1"), st.just(b"\xff\xfe{\0}\0"),
    st.just(b"a,b\n1,2,3\n"), st.just(b'a,"b\n1'), st.just(b"[1" + b"0" * 5000 + b"]"),
)  # fmt: skip

test_rows, test_rows_at_length = tiers(chosen=rows)(check_rows)
test_bytes, test_bytes_at_length = tiers(suffix=st.sampled_from(SUFFIXES), content=json_bytes, wrapped=st.booleans())(
    check_bytes
)
test_prompts, test_prompts_at_length = tiers(
    one=st.tuples(changes, st.lists(st.sampled_from(sorted(GOOD)), max_size=2))
)(check_prompts)
test_answers, test_answers_at_length = tiers(chosen=rows, suffix=st.sampled_from([".json", ".jsonl"]))(check_answers)
