"""Rows of an index as Lance holds them: written in batches, read in blocks.

Columns are called c0, c1, ...: Lance reads dots in names as paths.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasintrospect.datasets import decoded, encoded, scan

from .columns import Rows
from .found import Unit

__all__ = ["blocks", "build_ivf", "check", "column", "field_of", "nearest", "rows_of", "tables", "texts", "write"]

Array = npt.NDArray[Any]
_BLOCK = 2**24  # numbers in a block of vectors, 64 MB
_AT_ONCE = 256  # queries
_SAMPLE = 2**15  # vectors for k-means
_IVF = "vector_ivf"
_PLACES = ("document", "start", "end")


def field_of(names: Sequence[str], name: str) -> str:
    return f"c{list(names).index(name)}"


def _schema(units: int, known: Sequence[str], columns: Mapping[str, str]) -> Any:
    import pyarrow as pa

    kinds = {"str": pa.binary(), "bool": pa.bool_(), "int": pa.int64(), "float": pa.float64()}
    fields = [("row", pa.int64()), ("vector", pa.list_(pa.float32(), units))]
    fields += [("texts", pa.binary())] if "texts" in known else []
    fields += [(name, pa.int64()) for name in ("labels", "predicted") if name in known]
    fields += [(name, pa.int64()) for name in _PLACES if "places" in known]
    fields += [("context", pa.binary())] if "places" in known else []
    return pa.schema(fields + [(f"c{i}", kinds[kind]) for i, kind in enumerate(columns.values())])


def _batch(rows: Rows, part: slice, start: int, schema: Any) -> Any:
    import pyarrow as pa

    vectors = rows.vectors[part]
    values: dict[str, Any] = {"row": np.arange(start, start + len(vectors)), "labels": rows.labels, "predicted": rows.predicted}
    values = {name: value[part] if name != "row" else value for name, value in values.items() if value is not None}
    if rows.texts is not None:
        values["texts"] = encoded(rows.texts[part])
    if rows.places is not None:
        places = rows.places[part]
        values |= {name: np.array([getattr(place, name) for place in places], np.int64) for name in _PLACES}
        values["context"] = encoded([place.text for place in places])
    for i, column in enumerate(rows.columns.values()):
        values[f"c{i}"] = encoded(column[part]) if column.dtype == object else column[part]
    values["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    return pa.record_batch([values[name] for name in schema.names], schema=schema)


def write(path: Path, parts: Iterator[Rows], start: int, mode: str) -> int:
    """Streams rows into a dataset, numbered from `start`; gives its version. Two batches are in memory, and one block."""
    import lance
    import pyarrow as pa

    first = next(parts)
    schema, step = _schema(*first.shape()), max(1, _BLOCK // first.vectors.shape[1])

    def batches() -> Iterator[Any]:
        done = start
        for rows in itertools.chain([first], parts):
            for here in range(0, len(rows), step):
                part = slice(here, min(here + step, len(rows)))
                yield _batch(rows, part, done + here, schema)
            done += len(rows)

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    return int(lance.write_dataset(reader, str(path), mode=mode).version)


def check(dataset: Any, count: int, units: int, known: Sequence[str], columns: Mapping[str, str]) -> None:
    """Raises ValueError, if the dataset does not hold what is said of it."""
    if dataset.count_rows() != count or not dataset.schema.equals(_schema(units, known, columns)):
        raise ValueError("the rows are not those that index.json tells of")


def _vectors(part: Any, units: int) -> Array:
    """(rows, units) of a batch or a table."""
    column = part.column("vector")
    column = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    return np.asarray(column.flatten(), np.float32).reshape(-1, units)


def blocks(dataset: Any, units: int, mask: Array | None) -> Iterator[tuple[Array, Array]]:
    """(row numbers, vectors) of the rows where the mask is True, in blocks of equal size."""
    step = max(1, _BLOCK // units)
    if mask is not None and mask.mean() < 0.25:  # cheaper one by one
        rows = np.flatnonzero(mask)
        for here in range(0, len(rows), step):
            some = rows[here : here + step]
            yield some, _vectors(dataset.take(some.tolist(), columns=["vector"]), units)
        return
    numbers, vectors, filled = np.empty(step, np.int64), np.empty((step, units), np.float32), 0
    done = 0
    for part in scan(dataset, ["vector"], max(1, min(step, 2**22 // units))):
        some, values = np.arange(done, done + len(part)), _vectors(part, units)
        done += len(part)
        if mask is not None:
            some, values = some[mask[some]], values[mask[some]]
        while len(some):
            n = min(len(some), step - filled)
            numbers[filled : filled + n], vectors[filled : filled + n] = some[:n], values[:n]
            filled, some, values = filled + n, some[n:], values[n:]
            if filled == step:
                yield numbers, vectors
                filled = 0
    if filled:
        yield numbers[:filled], vectors[:filled]


def tables(dataset: Any, units: int) -> Iterator[Any]:
    """Everything, in batches."""
    yield from scan(dataset, None, max(1, 2**22 // units))


def column(dataset: Any, name: str) -> Array:
    """All values of a field."""
    return np.concatenate([_values(batch.column(name)) for batch in scan(dataset, [name], 2**16)])


def _values(values: Any) -> Array:
    import pyarrow as pa

    if pa.types.is_binary(values.type):
        return np.array([*decoded(values), None], object)[:-1]
    return np.asarray(values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy())


def texts(dataset: Any) -> Iterator[list[str]]:
    for batch in scan(dataset, ["texts"], 2**14):
        yield decoded(batch.column("texts"))


def rows_of(part: Any, known: Sequence[str], columns: Mapping[str, str]) -> Rows:
    """Rows of a table or a batch."""
    units = part.schema.field("vector").type.list_size
    said = decoded(part.column("texts")) if "texts" in known else None
    places = None
    if "places" in known:
        numbers = [part.column(name).to_pylist() for name in _PLACES]
        places = [Unit(*row) for row in zip(*numbers, said or [], decoded(part.column("context")), strict=True)]
    ids = [_values(part.column(name)) if name in known else None for name in ("labels", "predicted")]
    values = {name: _values(part.column(f"c{i}")) for i, name in enumerate(columns)}
    return Rows(_vectors(part, units), said, ids[0], ids[1], values, places)


def build_ivf(dataset: Any, cells: int, cosine: bool) -> Any:
    """Lance's IVF_FLAT index; k-means sees as many vectors of any dataset, so that its memory does not grow."""
    return dataset.create_index("vector", "IVF_FLAT", name=_IVF, metric="cosine" if cosine else "l2", replace=True,
                                num_partitions=cells, sample_rate=max(4, _SAMPLE // cells))  # fmt: skip


def nearest(dataset: Any, queries: Array, k: int, nprobes: int) -> tuple[Array, Array, Array, int]:
    """(query, row, vector) of up to k rows for each query, and how many vectors were compared."""
    parts, counts = [], []
    for start in range(0, len(queries), _AT_ONCE):
        ask = {"column": "vector", "q": queries[start : start + _AT_ONCE], "k": k, "nprobes": nprobes}
        scanner = dataset.scanner(columns=["row", "vector", "_distance"], nearest=ask, disable_scoring_autoprojection=True,
                                  scan_stats_callback=lambda stats: counts.append(stats.index_comparisons))  # fmt: skip
        table = scanner.to_table()
        numbers = table.column("query_index").to_numpy() if "query_index" in table.column_names else np.zeros(len(table), int)
        parts.append((numbers.astype(np.int64) + start, table.column("row").to_numpy(), _vectors(table, queries.shape[1])))
    query, rows, vectors = (np.concatenate(part) for part in zip(*parts, strict=True))
    return query, rows, vectors, sum(counts)
