"""A schema file is read whole or refused with the line and what to do; what is written is read again."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import SchemaError
from kg.schema import SHOP, Attribute, Schema
from mining.schema.files import read_schema, told_schema, write_schema

COFFEE = """\
# the shop's own words
attributes:
  "*":
    - name: Weight
      unit: kg
      examples: [500 g, 约 1 公斤]
  Coffee:
    - name: Roast
      definition: how dark the beans are
      values: [Light, Medium, Dark]
      abbreviations: {dk: Dark, 深烘: Dark}
    - name: Size
      normalise: size
      values:
    - Origin
  咖啡机:
    - name: 颜色
      normalise: color
"""


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def test_a_yaml_schema(tmp_path: Path) -> None:
    schema = read_schema(written(tmp_path / "s.yaml", COFFEE))
    assert schema.relations == SHOP.relations
    assert schema.attributes_of("Coffee") == (
        Attribute("Weight", unit="kg", examples=("500 g", "约 1 公斤")),
        Attribute(
            "Roast",
            "how dark the beans are",
            values=("Light", "Medium", "Dark"),
            abbreviations={"dk": "Dark", "深烘": "Dark"},
        ),
        Attribute("Size", normalise="size"),
        Attribute("Origin"),
    )
    assert schema.attributes_of("咖啡机")[1:] == (Attribute("颜色", normalise="color"),)
    assert schema.attribute("Tea", "Weight") == schema.attributes_of(None)[0]
    assert schema.attribute("Tea", "Roast") is None
    assert schema.names(["Tea"])["Tea"] == ("Weight",)


def test_json_and_yaml_say_the_same(tmp_path: Path) -> None:
    schema = read_schema(written(tmp_path / "s.yml", COFFEE))
    for name in ("again.json", "again.yaml"):
        write_schema(schema, tmp_path / name)
        assert read_schema(tmp_path / name) == schema
    tabbed = json.dumps(json.loads(told_schema(schema, yaml=False)), indent="\t")
    assert read_schema(written(tmp_path / "tabs.json", "\ufeff" + tabbed)) == schema


def test_plain_scalars_of_yaml_stay_as_written(tmp_path: Path) -> None:
    text = "attributes:\n  Shoes:\n    - name: Size\n      values: [1.50, 042, no, 2026-01-01, 'null']\n"
    schema = read_schema(written(tmp_path / "s.yaml", text))
    assert schema.attributes["Shoes"][0].values == ("1.50", "042", "no", "2026-01-01", "null")


def test_json_lines_of_other_layouts(tmp_path: Path) -> None:
    names = '{"category": "C", "attributes": ["B", "A"]}\n'
    objects = '{"category": "C", "attributes": [{"name": "B", "unit": "cm"}, {"name": "A"}]}\n\n'
    objects += '{"category": "D", "attributes": []}'
    lines = '{"Category": "C", "Attribute": "B", "Data_Types": 1}\n{"Category": "C", "Attribute": "A"}\n'
    for number, text in enumerate((names, objects, lines)):
        assert read_schema(written(tmp_path / f"{number}", text)).names()["C"] == ("B", "A")
    told = read_schema(written(tmp_path / "t", '{"Category": "C", "Attribute": "B", "Human_Description": "what"}'))
    assert told.attributes == {"C": (Attribute("B", "what"),)}


def test_the_layouts_of_the_benchmarks(data_dir: Path) -> None:
    mined = read_schema(data_dir / "extraction/en_oamine/schema.jsonl")
    offered = read_schema(data_dir / "extraction/en_wdcpave/attribute_guidelines.jsonl")
    assert [sum(map(len, s.attributes.values())) for s in (mined, offered)] == [115, 70]
    assert all(a.definition for attributes in offered.attributes.values() for a in attributes)


YAML_FAULTS = [
    ("", 1, "the file is empty"),
    ("# nothing\n", 1, "the file is empty"),
    ("attributes:\n", 1, "'attributes' is nothing"),
    ("attributes: {}\n", 1, "gives no attribute"),
    ("- a\n", 1, "the file is a list; expected an object"),
    ("attribute: {}\n", 1, "did you mean 'attributes'"),
    ("attributes:\n  C: x\n", 2, "the attributes of 'C' are text; expected a list"),
    ("attributes:\n  C:\n  - name: A\n  - name: B\n  - name: ' a'\n", 5, "'C' has 'a' twice, first on line 3"),
    ("attributes:\n  C: [A]\n  '*':\n  - a\n", 2, "given for all categories on line 4"),
    ("attributes:\n  C: [A]\n  C: [B]\n", 3, "'C' is given twice"),
    ("attributes:\n  C:\n  - name: A\n    unit: parsec\n", 4, "unknown unit 'parsec'; known are g, mg, kg"),
    ("attributes:\n  C:\n  - name: A\n    values: [x, '', y]\n", 4, "'values' holds an empty value"),
    ("attributes:\n  C:\n  - name: A\n    values:\n    - x\n    -\n", 6, "'values' holds an empty value"),
    ("attributes:\n  C:\n  - name: A\n    values: [x, X]\n", 4, "'values' holds 'X' twice, first on line 4"),
    ("attributes:\n  C:\n  - name: A\n    values: x\n", 4, "'values' is text; expected a list of texts"),
    ("attributes:\n  C:\n  - name: A\n    vals: [x]\n", 4, "unknown field 'vals'; did you mean 'values'"),
    ("attributes:\n  C:\n  - unit: cm\n", 3, "an attribute without a 'name'"),
    ("attributes:\n  C:\n  - name: [A]\n", 3, "'name' is a list; expected text"),
    ("attributes:\n  C:\n  - name: A\n    normalise: shout\n", 4, "unknown rule 'shout'; known are as said"),
    ("attributes:\n  C:\n  - name: A\n    unit: g\n    values: [1 g]\n", 5, "a unit and a list of values"),
    ("attributes:\n  C:\n  - name: A\n    unit: g\n    normalise: pack\n", 5, "a rule beside its unit"),
    (
        "attributes:\n  C:\n  - name: A\n    unit: g\n    examples: [5 cm]\n",
        5,
        "'5 cm' breaks the attribute: not a mea",
    ),
    ("attributes:\n  C:\n  - name: A\n    values: [x]\n    examples: [y]\n", 5, "not in the list of values"),
    ("attributes:\n  C:\n  - name: A\n    values: [x]\n    abbreviations: {z: y}\n", 5, "which is not in the list"),
    ("attributes:\n  C:\n  - name: A\n    abbreviations: [z]\n", 4, "'abbreviations' is a list; expected an object"),
    ("attributes:\n  C: [\n", 3, "not YAML"),
    ("attributes:\n  C: \x07\n", 2, "not YAML"),
    ("a: &a [*a]\n", 1, "unknown field 'a'|nested deeper"),
    ("attributes: &a\n  C: *a\n", 1, "the attributes of 'C' are an object|nested deeper"),
    ("[" * 2000, 1, "nested deeper|not YAML"),
]
JSON_FAULTS = [
    ('{"attributes": {"C": [{"name": "A"},\n {"name": "B", "unit": 5}]}}', 2, "'unit' is a number; expected text"),
    (
        '{"attributes": {"C": [{"name": "A",\n "values": [38]}]}}',
        2,
        "'values' holds a number; expected text, in quotes",
    ),
    ('{"attributes": {"C": [\n{"name": "A", "values": [true]}]}}', 2, "holds true or false"),
    ('{"attributes": {"C": [\n{"name": "A" "unit": "g"}]}}', 2, "expected a comma"),
    ('{"attributes": {"C": [\n"A",\n]}}', 3, "not JSON"),
    ('{"attributes": {"C": ["A"], \n"C": []}}', 2, "'C' is given twice"),
    ('{"attributes": {"C": ["\\ud800"]}}', 1, "half a character"),
    ('{"category": "C", "attributes": ["A"]}\n{"category": "C"}', 2, "expected a category with a list"),
    ('{"category": "C", "attributes": ["A"]}\n7', 2, "expected an object a line, saw a number"),
    ('{"Category": "C", "Attribute": "A"}\n{"Attribute": "B"}', 2, "'Category' is nothing; expected text"),
    ('{"Category": "C", "Attribute": "A"}\nAttribute B', 2, "not JSON"),
    ("[" * 100_000, 1, "nested deeper"),
    ("", 1, "the file is empty"),
]


@pytest.mark.parametrize(("text", "line", "message"), YAML_FAULTS)
def test_a_bad_yaml_file_is_refused_by_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(SchemaError, match=rf"s\.yaml, line {line}: .*(?:{message})"):
        read_schema(written(tmp_path / "s.yaml", text))


@pytest.mark.parametrize(("text", "line", "message"), JSON_FAULTS)
def test_a_bad_json_file_is_refused_by_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(SchemaError, match=rf"s\.json, line {line}: .*(?:{message})"):
        read_schema(written(tmp_path / "s.json", text))


def test_another_encoding_or_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"line 3: not UTF-8 .*; save the file as UTF-8"):
        read_schema(written(tmp_path / "s.yaml", "attributes:\n  C:\n  - 颜色\n".encode("gb18030")))
    with pytest.raises(SchemaError, match="line 1: not UTF-8"):
        read_schema(written(tmp_path / "s.json", '{"attributes": {}}'.encode("utf-16")))
    for missing in (tmp_path / "gone.yaml", tmp_path):
        with pytest.raises(SchemaError, match="cannot be read"):
            read_schema(missing)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12).map(
    str.strip
)


@given(
    st.dictionaries(
        TEXT.filter(bool),
        st.lists(st.tuples(TEXT.filter(bool), st.sampled_from([None, "g", "°C", "inch"]), TEXT), max_size=3),
        max_size=3,
    ),
    st.booleans(),
)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, list[tuple[str, str | None, str]]], yaml: bool
) -> None:
    attributes = {c: tuple(Attribute(f"{i} {n}", d, u) for i, (n, u, d) in enumerate(of)) for c, of in rows.items()}
    path = tmp_path_factory.getbasetemp() / ("s.yaml" if yaml else "s.json")
    if any(attributes.values()) and "*" not in attributes:
        write_schema(Schema(SHOP.relations, attributes), path)
        assert read_schema(path).attributes == attributes
