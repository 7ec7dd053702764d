"""The named weights of an ONNX file as arrays, read from its bytes: no runtime, no schema compiler, no code is run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mining.errors import SourceError

Array: TypeAlias = NDArray[Any]

# Field numbers of the ONNX messages, and the two element types that encoders hold.
_GRAPH, _NODE, _INITIALIZER = 7, 1, 5
_INPUT, _OUTPUT, _OP_TYPE = 1, 2, 4
_DIMS, _DATA_TYPE, _FLOATS, _NAME, _RAW = 1, 2, 4, 8, 9
_DTYPES = {1: "<f4", 7: "<i8"}


@dataclass(frozen=True, slots=True)
class _Node:
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def named_weights(content: bytes) -> dict[str, Array]:
    """The weights of an exported encoder by the names of its modules; a matrix as (output, input).

    An exporter keeps the names of embeddings, norms and biases, and renames the matrices that are multiplied: one is
    recognised by the bias that is added to its product. Raises SourceError where the bytes are no ONNX model.
    """
    arrays: dict[str, Array] = {}
    nodes: list[_Node] = []
    try:
        for field, graph in _fields(memoryview(content)):
            if field == _GRAPH:
                _read_graph(graph, arrays, nodes)
    except (IndexError, ValueError, TypeError) as error:
        raise SourceError(f"this is no ONNX model with 32-bit weights ({error}); give the float one") from error
    added = {name: node for node in nodes if node.kind == "Add" for name in node.inputs}
    weights = {name: value for name, value in arrays.items() if "." in name and not name.startswith("onnx::")}
    for node in nodes:
        factors = [name for name in node.inputs if name in arrays] if node.kind == "MatMul" else []
        product = added.get(node.outputs[0]) if factors else None
        for bias in (name for name in (product.inputs if product else ()) if name.endswith(".bias")):
            weights[bias.removesuffix("bias") + "weight"] = np.ascontiguousarray(arrays[factors[0]].T)
    if not weights:
        raise SourceError("this ONNX model names no weights; expected an exported encoder")
    return weights


def _read_graph(graph: memoryview, arrays: dict[str, Array], nodes: list[_Node]) -> None:
    for field, value in _fields(graph):
        if field == _INITIALIZER:
            name, array = _tensor(value)
            if array is not None:
                arrays[name] = array
        elif field == _NODE:
            nodes.append(_node(value))


def _node(message: memoryview) -> _Node:
    texts: dict[int, list[str]] = {_INPUT: [], _OUTPUT: [], _OP_TYPE: []}
    for field, value in _fields(message):
        if field in texts:
            texts[field].append(str(value, "utf-8"))
    return _Node(texts[_OP_TYPE][0], tuple(texts[_INPUT]), tuple(texts[_OUTPUT]))


def _tensor(message: memoryview) -> tuple[str, Array | None]:
    dims: list[int] = []
    name, kind, raw = "", 0, memoryview(b"")
    for field, value in _fields(message):
        if field == _DIMS:
            dims += [value] if isinstance(value, int) else list(_varints(value))
        elif field == _DATA_TYPE:
            kind = int(value)
        elif field == _NAME:
            name = str(value, "utf-8")
        elif field in (_RAW, _FLOATS):
            raw = value
    if kind not in _DTYPES:
        return name, None
    return name, np.frombuffer(raw, dtype=_DTYPES[kind]).reshape(dims).copy()


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """(field number, value) pairs of a protocol buffer message: integers, or the bytes of what is longer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
        elif wire == 2:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise ValueError("cut short")
            yield tag >> 3, message[at : at + size]
            at += size
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            yield tag >> 3, message[at : at + size]
            at += size
        else:
            raise ValueError(f"wire type {wire}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _varints(message: memoryview) -> Iterator[int]:
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value
