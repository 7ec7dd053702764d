"""What the files of a published split hold: rows with their ids, relations, brands, texts, times, actions and rivals.

What lacks an id is left out and counted aloud; what cannot be understood is a ``SplitError``, one sentence that names
the file, the row (from 1) or column, and what to do.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recommender.arrays import Bools
from recommender.dataset import Edges
from recommender.histories import ACTION_CODES, Ids

ROW = "row in the file"
"""A column of every table that is read, so that messages name rows as they lie in the file."""
TEXTS = ("title", "description", "brand", "categories", "category")
ACTIONS = {"buy": "purchase", "transaction": "purchase", "addtocart": "cart"}


class SplitError(Exception):
    """Files that make no split; the message says which, where, and what to do."""


def read(path: Path, *ids: str) -> pa.Table:
    """The rows that have all of these columns filled."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise SplitError(f"{path} cannot be read as Parquet ({error}); give the path of a Parquet file") from error
    for name in ids:
        _column(table, name, path)
    table = table.append_column(ROW, pa.array(np.arange(1, len(table) + 1)))
    given = np.logical_and.reduce([_given(table[name]) for name in ids])
    if not given.all():
        print(f"{path}: {np.count_nonzero(~given):,} rows without {' or '.join(ids)} are left out", flush=True)
    table = table.filter(pa.array(given))
    for name in ids:
        table = table.set_column(table.column_names.index(name), name, _whole(table[name], name, path))
    return table


def only(table: pa.Table, column: str, value: str, path: Path) -> pa.Table:
    """The rows of one part of a split."""
    kept = table.filter(pc.equal(pc.cast(_column(table, column, path), pa.string()), value))
    if not len(kept):
        raise SplitError(f"{path}: no row has {value!r} in the column {column}; mark the rows of each part there")
    return kept


def _whole(column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    """Ids that a data frame made floats, as the whole numbers that they are: as texts, large ones would differ."""
    if not pa.types.is_floating(column.type):
        return column
    try:
        return pc.cast(column, pa.int64())
    except pa.ArrowInvalid as error:
        told = f"{path}: the column {name} holds ids that are no whole numbers ({error}); write integers or texts"
        raise SplitError(told) from error


def names(column: pa.ChunkedArray) -> list[str]:
    return list(pc.cast(column, pa.string()).to_pylist())


def kind(*columns: pa.ChunkedArray) -> pa.DataType:
    """The type that holds the ids of all these columns: their own if it is one, else that of names."""
    kinds = {c.type.value_type if pa.types.is_dictionary(c.type) else c.type for c in columns}
    return kinds.pop() if len(kinds) == 1 else pa.string()


def events(table: pa.Table, path: Path) -> pa.Table:
    """In the order of time, then ``pos``, then the table."""
    order = [name for name in ("timestamp", "pos") if name in table.column_names]
    at = _seconds(table, path) if "timestamp" in table.column_names else pa.array(np.zeros(len(table), np.int64))
    actions = _actions(table, path) if "action" in table.column_names else ["purchase"] * len(table)
    place = pa.array(np.arange(len(table)))
    sorted_by = table.select(order).append_column("place", place)
    by_time = pc.sort_indices(sorted_by, [(name, "ascending") for name in (*order, "place")])
    found = {
        "user": pc.cast(table["user"], pa.string()),
        "session": pa.nulls(len(table), pa.string()),
        "product": pc.cast(table["item"], pa.string()),
        "action": pa.array(actions, pa.string()),
        "at": at,
    }
    return pa.table(found).take(by_time)


def links(path: Path, items: Ids) -> dict[str, Edges]:
    """Relations between items; what names an unknown item is left out."""
    table = read(path, "head", "relation", "tail")
    found = {}
    for name in sorted(set(names(table["relation"]))):
        rows = table.filter(pc.equal(pc.cast(table["relation"], pa.string()), name))
        heads, tails = (np.array([items.get(i) for i in names(rows[end])], np.int64) for end in ("head", "tail"))
        known = (heads >= 0) & (tails >= 0)
        found[name] = Edges.of(heads[known], tails[known])
    return found


def attributes(table: pa.Table, items: Ids) -> tuple[Ids, dict[str, Edges]]:
    """Brand and category of each item, where the table has them."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for column, relation in (("brand", "MADE_BY"), ("categories", "IN_CATEGORY"), ("category", "IN_CATEGORY")):
        if column in table.column_names:
            rows = zip(names(table["item"]), table[column].to_pylist(), strict=True)
            pairs.setdefault(relation, []).extend((item, f"{column}:{value}") for item, value in rows if value)
    entities = Ids.sorted(entity for found in pairs.values() for _, entity in found)
    edges = {
        relation: Edges.of(
            np.array([items.places[item] for item, _ in found], np.int64),
            np.array([entities.places[entity] for _, entity in found], np.int64),
        )
        for relation, found in pairs.items()
        if found
    }
    return entities, edges


def item_texts(table: pa.Table) -> dict[str, str]:
    """What the table says of each item, a line a column; nothing where it has no title and no description."""
    columns = [name for name in TEXTS if name in table.column_names]
    if not {"title", "description"} & set(columns):
        return {}
    rows = zip(*(table[name].to_pylist() for name in columns), strict=True)
    return {
        item: "\n".join(str(value) for value in row if value)
        for item, row in zip(names(table["item"]), rows, strict=True)
    }


def with_rivals(table: pa.Table, path: Path) -> tuple[pa.Table, list[list[str]]]:
    """The rows that name rivals in ``neg_items``, and whom each names; their numbers may differ."""
    column, told = table["neg_items"], table["neg_items"].type
    if not (pa.types.is_list(told) or pa.types.is_large_list(told) or pa.types.is_fixed_size_list(told)):
        raise SplitError(f"{path}: the column neg_items holds {told}; write a list of items in every row")
    lengths = pc.list_value_length(column).to_numpy()
    ends, flat = np.cumsum(lengths), names(_whole(pc.list_flatten(column), "neg_items", path))
    slots = zip(ends - lengths, ends, strict=True)
    rivals = [[item for item in flat[begin:end] if item is not None] for begin, end in slots]
    asking = [bool(row) for row in rivals]
    if not all(asking):
        print(f"{path}: {asking.count(False):,} rows whose neg_items are empty are left out", flush=True)
    return table.filter(pa.array(asking, pa.bool_())), [row for row in rivals if row]


def _column(table: pa.Table, name: str, path: Path) -> pa.ChunkedArray:
    if name not in table.column_names:
        has = ", ".join(other for other in table.column_names if other != ROW)
        raise SplitError(f"{path} has no column {name}; it has {has}. Rename the one that is meant, or add it")
    return table[name]


def _given(column: pa.ChunkedArray) -> Bools:
    """Neither null nor NaN, which is how data frames write a missing number."""
    return np.asarray(pc.invert(pc.is_null(column, nan_is_null=True)), bool)


def _where(table: pa.Table, bad: Bools, path: Path) -> str:
    """The first of the bad rows."""
    return f"{path}, row {table[ROW][int(np.argmax(bad))]}"


def _seconds(table: pa.Table, path: Path) -> pa.ChunkedArray:
    """``timestamp`` as Unix seconds."""
    column = table["timestamp"]
    missing = ~_given(column)
    if missing.any():
        raise SplitError(f"{_where(table, missing, path)} has no timestamp; give it one, or leave the row out")
    if pa.types.is_temporal(column.type):
        if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
            zone = getattr(column.type, "tz", None)
            return pc.cast(pc.cast(column, pa.timestamp("s", zone), safe=False), pa.int64())
    elif pa.types.is_integer(column.type):
        return pc.cast(column, pa.int64())
    elif pa.types.is_floating(column.type):
        values = column.to_numpy().astype(np.float64)
        broken = (values != np.trunc(values)) | (np.abs(values) > 2.0**62)
        if broken.any():
            told = values[int(np.argmax(broken))]
            raise SplitError(f"{_where(table, broken, path)} has the timestamp {told}; write whole Unix seconds")
        return pc.cast(column, pa.int64())
    raise SplitError(f"{path}: the column timestamp holds {column.type}; write whole Unix seconds, or times of Arrow")


def _actions(table: pa.Table, path: Path) -> list[str]:
    found = [ACTIONS.get(action, action) for action in table["action"].to_pylist()]
    unknown = np.array([action not in ACTION_CODES for action in found], bool)
    if unknown.any():
        known, told = ", ".join((*ACTION_CODES, *ACTIONS)), found[int(np.argmax(unknown))]
        where = _where(table, unknown, path)
        raise SplitError(f"{where} has the action {told!r}; known are {known}. Rename it, or leave its rows out")
    return found
