"""Files to rows: every form and encoding, and every way a file can be broken."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mining.errors import ColumnError, SourceError
from mining.sources import Row, read_rows
from mining.sources.delimited import delimiter_of
from mining.sources.rows import MAX_ROW, raw_of
from mining.sources.text import MAX_CELL
from mining.sources.text_files import encoding_of
from mining.types import Reject

CHINESE = "id,title\n1,小米手机，黑色\n2,不锈钢保温杯 500ml\n3,适用于苹果手机的保护壳\n"


def written(tmp_path: Path, name: str, content: bytes | str) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path: Path, **options: object) -> list[dict[str, object]]:
    read = list(read_rows(path, **options))  # type: ignore[arg-type]
    assert all(isinstance(item, Row) for item in read), read
    return [dict(item.values) for item in read if isinstance(item, Row)]


def outcomes(path: Path) -> list[object]:
    """The first value of each row, or the counted part of a reject's reason; numbers must have no gap."""
    read = list(read_rows(path))
    numbers = [item.number if isinstance(item, Row) else item.row for item in read]
    assert numbers == list(range(1, len(read) + 1))
    return [
        next(iter(item.values.values())) if isinstance(item, Row) else item.reason.partition(":")[0] for item in read
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    lines = [("id", "title", "note"), ("1", "a", "one"), ("2", "b", "two")]
    path = written(tmp_path, "shop.csv", "\n".join(delimiter.join(line) for line in lines) + "\n")
    assert rows_of(path) == [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def test_the_delimiter_is_the_one_that_splits_rows_alike() -> None:
    assert delimiter_of("id;title\n1;a, b, c\n2;d, e\n3;f\n") == ";"
    assert delimiter_of("id,also_bought|also_viewed\n1,a\n2,b\n") == ","
    assert delimiter_of("id\n1\n2\n") == ","


def test_quoted_line_ends_quotes_and_delimiters_belong_to_the_cell(tmp_path: Path) -> None:
    path = written(tmp_path, "shop.csv", 'id,title\r\n1,"two\r\nlines, and a ""quote"""\r\n\r\n2,5" screen\r\n')
    assert rows_of(path) == [
        {"id": "1", "title": 'two\r\nlines, and a "quote"'},
        {"id": "2", "title": '5" screen'},
    ]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030", "gbk"]
)
def test_chinese_survives_every_encoding(tmp_path: Path, encoding: str) -> None:
    # Without a mark, UTF-16 is told by the zero bytes of Latin letters: give it some.
    text = CHINESE + "4,Stainless steel bottle with straw lid and handle, wide\n".replace(", ", " ")
    path = written(tmp_path, "shop.csv", text.encode(encoding))
    assert [row["title"] for row in rows_of(path)][:2] == ["小米手机，黑色", "不锈钢保温杯 500ml"]


def test_latin_letters_survive_latin_1(tmp_path: Path) -> None:
    path = written(tmp_path, "shop.csv", "id,title\n1,Crème brûlée café\n2,Größe 42 für Füße\n".encode("latin-1"))
    assert [row["title"] for row in rows_of(path)] == ["Crème brûlée café", "Größe 42 für Füße"]


def test_a_named_encoding_overrules_detection(tmp_path: Path) -> None:
    path = written(tmp_path, "shop.csv", "id,title\n1,電子レンジ\n".encode("shift_jis"))
    assert rows_of(path, encoding="shift_jis") == [{"id": "1", "title": "電子レンジ"}]
    with pytest.raises(SourceError, match="klingon"):
        rows_of(path, encoding="klingon")


def test_a_sample_cut_inside_a_character_is_still_utf8() -> None:
    sample = "小米".encode()
    assert encoding_of(sample[:-1], whole=False) == "utf-8"


def test_one_row_in_a_wrong_encoding_is_set_aside_alone(tmp_path: Path) -> None:
    good = "".join(f"{i},小米手机\n" for i in range(1, 6)).encode()
    path = written(tmp_path, "shop.csv", b"id,title\n" + good + b"6,\xd0\xa1\xff\xfe\n7,ok\n")
    assert outcomes(path) == ["1", "2", "3", "4", "5", "wrong encoding", "7"]
    lines = b"".join(json.dumps({"id": str(i), "t": "小米"}, ensure_ascii=False).encode() + b"\n" for i in range(5))
    path = written(tmp_path, "shop.jsonl", lines + b'{"id": "6", "t": "\xff\xfe"}\n')
    assert outcomes(path) == ["0", "1", "2", "3", "4", "wrong encoding"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("shop.csv.gz", b"id,title\n1,a\n"),
        ("shop.jsonl.gz", b'{"id": "1", "title": "a"}\n'),
        ("shop.json.gz", b'[{"id": "1", "title": "a"}]'),
    ],
)
def test_gzip_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    assert rows_of(written(tmp_path, name, gzip.compress(content))) == [{"id": "1", "title": "a"}]


def test_a_damaged_gzip_says_so(tmp_path: Path) -> None:
    content = b"id,title\n" + b"".join(f"{i},{i * 7919 % 9973}\n".encode() for i in range(50_000))
    packed = gzip.compress(content)
    path = written(tmp_path, "shop.csv.gz", packed[: len(packed) // 2])
    with pytest.raises(SourceError, match="damaged gzip"):
        list(read_rows(path))


def test_rows_with_too_few_or_too_many_fields_are_set_aside(tmp_path: Path) -> None:
    path = written(tmp_path, "shop.csv", "id,title\n1,a\n2\n3,b,c\n4,d\n")
    assert outcomes(path) == ["1", "too few fields", "too many fields", "4"]
    reject = [item for item in read_rows(path) if isinstance(item, Reject)][1]
    assert (reject.file, reject.row, reject.raw) == (str(path), 3, "3,b,c")
    assert reject.reason == "too many fields: 3 instead of 2"


def test_a_quote_that_never_closes_costs_its_own_row_only(tmp_path: Path) -> None:
    path = written(tmp_path, "shop.csv", 'id,title\n1,a\n2,"open\n3,b\n4,"fine, too"\n5,c\n')
    assert outcomes(path) == ["1", "broken quotes", "3", "4", "5"]
    path = written(tmp_path, "end.csv", 'id,title\n1,a\n2,"open\n3,b\n')
    assert outcomes(path) == ["1", "broken quotes", "3"]
    path = written(tmp_path, "inside.csv", 'id,title\n1,"5" screen"\n2,b\n')
    assert outcomes(path) == ["broken quotes", "2"]


def test_a_thousand_open_quotes_take_no_longer_than_they_should(tmp_path: Path) -> None:
    path = written(tmp_path, "shop.csv", "id,title\n" + 'x,"open\n' * 1000 + "1,a\n")
    assert outcomes(path) == ["broken quotes"] * 1000 + ["1"]


@pytest.mark.parametrize("cell", ["x" * 10_000_000, '"' + "word, word\n" * 900_000 + '"'])
def test_a_ten_megabyte_cell_is_one_reject(tmp_path: Path, cell: str) -> None:
    path = written(tmp_path, "shop.csv", f"id,title\n1,a\n2,{cell}\n3,b\n")
    assert outcomes(path) == ["1", f"cell longer than {MAX_CELL} characters", "3"]
    reject = next(item for item in read_rows(path) if isinstance(item, Reject))
    assert len(reject.raw) <= 500


def test_a_line_without_end_is_one_reject(tmp_path: Path) -> None:
    path = written(tmp_path, "shop.csv", "id,title\n1,a\n2," + "x" * (2 * MAX_ROW) + "\n3,b\n")
    assert outcomes(path) == ["1", f"row longer than {MAX_ROW} characters", "3"]
    path = written(tmp_path, "shop.jsonl", '{"id": 1}\n{"id": "' + "x" * (2 * MAX_ROW) + '"}\n{"id": 3}\n')
    assert outcomes(path) == [1, f"row longer than {MAX_ROW} characters", 3]


def test_large_cells_below_the_limit_are_kept(tmp_path: Path) -> None:
    cell = "word " * (MAX_CELL // 5)
    path = written(tmp_path, "shop.csv", f'id,title\n1,"{cell}"\n')
    assert rows_of(path) == [{"id": "1", "title": cell}]


def test_a_large_cell_of_json_or_parquet_is_one_reject(tmp_path: Path) -> None:
    reason = f"cell longer than {MAX_CELL} characters"
    lines = [{"id": 1}, {"id": "x" * 10_000_000}, {"id": ["y" * 1000] * 2000}, {"id": 4}]
    path = written(tmp_path, "shop.jsonl", "\n".join(map(json.dumps, lines)))
    assert outcomes(path) == [1, reason, reason, 4]
    table = pa.table({"id": ["1", "x" * 10_000_000, "3"]})
    pq.write_table(table, tmp_path / "shop.parquet")
    assert outcomes(tmp_path / "shop.parquet") == ["1", reason, "3"]


def test_zero_bytes_do_not_stop_a_reader(tmp_path: Path) -> None:
    path = written(tmp_path, "shop.csv", "id,title\n1,a\x00b\n2,c and a longer line of text here\n")
    assert [row["title"] for row in rows_of(path)] == ["a\x00b", "c and a longer line of text here"]


def test_lines_that_are_no_json_objects_are_set_aside(tmp_path: Path) -> None:
    lines = ['{"id": 1}', "{broken", "[1, 2]", "17", "", '{"id": NaN}', '{"a":' * 5000 + "1" + "}" * 5000, '{"id": 8}']
    path = written(tmp_path, "shop.jsonl", "\n".join(lines))
    found = outcomes(path)
    assert found[:4] == [1, "not JSON", "not an object", "not an object"]
    assert found[4] != found[4]  # NaN is read here and judged by who wants a number
    assert found[-1] == 8
    assert len(found) == 7


def test_python_objects_of_old_amazon_files_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path, "meta.json", "{'asin': 'B1', 'title': \"It's\", 'price': 1.5}\n{'asin': __import__('os')}\n"
    )
    assert outcomes(path) == ["B1", "not JSON"]


def test_a_small_array_is_read_and_a_broken_one_refused(tmp_path: Path) -> None:
    assert outcomes(written(tmp_path, "a.json", '\n[{"id": 1},\n 2,\n {"id": 3}]')) == [1, "not an object", 3]
    with pytest.raises(SourceError, match="array"):
        list(read_rows(written(tmp_path, "b.json", '[{"id": 1},')))


def test_parquet_gives_numbers_lists_and_nothing_as_they_are(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "price": [1.5, None], "tags": [["a", "b"], None], "raw": [b"abc", b"\xff"]})
    pq.write_table(table, tmp_path / "shop.parquet")
    read = list(read_rows(tmp_path / "shop.parquet"))
    assert read[0] == Row(1, {"id": 1, "price": 1.5, "tags": ["a", "b"], "raw": "abc"})
    assert isinstance(read[1], Reject)
    assert read[1].reason.startswith("wrong encoding")


def test_parquet_text_that_is_no_utf8_costs_its_row_only(tmp_path: Path) -> None:
    bad = pa.array([b"good", b"\xff\xfe", b"fine"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"id": bad}), tmp_path / "shop.parquet")
    assert outcomes(tmp_path / "shop.parquet") == ["good", "wrong encoding", "fine"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("shop.xlsx", b"PK", "a form that is not read"),
        ("shop.csv", b"", "empty"),
        ("shop.csv", b"\n\n", "empty"),
        ("shop.jsonl", b"", "empty"),
        ("shop.parquet", b"PAR1 and nothing more", "Parquet"),
        ("shop.csv", b'id,"title\n1,a\n', "header"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        list(read_rows(written(tmp_path, name, content)))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.csv"):
        read_rows(tmp_path / "nowhere.csv")
    with pytest.raises(SourceError, match="no file"):
        read_rows(tmp_path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="title"):
        list(read_rows(written(tmp_path, "shop.csv", "id,title,title\n1,a,b\n")))


def test_a_header_alone_is_no_row(tmp_path: Path) -> None:
    assert rows_of(written(tmp_path, "shop.csv", "id,title\n")) == []


def test_raw_is_cut_and_never_fails() -> None:
    assert len(raw_of({"a": "x" * 10_000, "b": object()})) == 500
    assert raw_of("line\r\n") == "line"


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_any_text_comes_back_from_csv(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        writer.writerow(("id", "标题", "note"))
        writer.writerows(cells)
    assert rows_of(path, encoding="utf-8") == [dict(zip(("id", "标题", "note"), row, strict=True)) for row in cells]


@given(st.lists(st.fixed_dictionaries({"id": CELLS, "标题": CELLS}), min_size=1, max_size=5), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_text_comes_back_from_jsonl(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]], escaped: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=escaped) + "\n" for row in rows), encoding="utf-8")
    assert rows_of(path, encoding="utf-8") == rows


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_no_bytes_crash_a_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    for name in ("any.csv", "any.jsonl", "any.parquet"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(content)
        try:
            read = list(read_rows(path))
        except SourceError:
            continue
        assert [item.number if isinstance(item, Row) else item.row for item in read] == list(range(1, len(read) + 1))
