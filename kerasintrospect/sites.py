"""The address of an activation: parse it, print it, find it in a model.

An address is `path#call:part[index]`:

    encoder.layer[3]      the output of the layer at this attribute path (or layer name inside a functional graph)
    shared#1              the output of its second call
    dense:in              its input (the first one), dense:in[1] the second, merge:in[left] the entry of a dict
    lstm:out[1]           the second tensor that it returns
    :in, :out             the input and the output of the model itself

Any unique suffix of a path, and any unique layer name, is a short form of it. This module knows no framework.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import InputTypeError, SiteError

if TYPE_CHECKING:
    import pandas

__all__ = ["Site", "SiteRow", "SiteTable", "Spec", "parse"]

_ADDRESS = re.compile(
    r"^(?P<path>.*?)(?:#(?P<call>\d+))?(?::(?P<part>[a-z_]+)(?:\[(?P<index>[^\]]+)\])?)?$", re.DOTALL
)
PARTS = ("in", "out")


@dataclass(frozen=True)
class Site:
    """One activation: attribute path, call index, part, and the index of the tensor within the part.

    `call` and `index` are None while the address leaves them open.
    """

    path: str
    call: int | None = None
    part: str = "out"
    index: int | str | None = None

    def __str__(self) -> str:
        call = "" if self.call is None else f"#{self.call}"
        index = "" if self.index is None else f"[{self.index}]"
        part = "" if self.part == "out" and not index and self.path else f":{self.part}{index}"
        return f"{self.path}{call}{part}"


def parse(address: str | Site) -> Site:
    """Reads an address.

    Args:
        address: String such as `"encoder.layer[3]#1:in"`, or a `Site`, which comes back as it is.

    Returns:
        A `Site`. Whether the model has it is another question: `SiteTable.resolve`.

    Raises:
        InputTypeError: if `address` is no string.
        SiteError: if the part is unknown or the address is empty.
    """
    if isinstance(address, Site):
        return address
    if not isinstance(address, str):
        raise InputTypeError(
            f"A site is addressed by a string such as 'encoder.layer[3]#1:in'. "
            f"Received: site={address!r} (of type {type(address).__name__})"
        )
    found = _ADDRESS.match(address.strip())
    path, call, part, index = found.group("path", "call", "part", "index") if found else ("", None, None, None)
    if not path and part is None:
        raise SiteError(f"A site needs a path or a part (':in', ':out'). Received: site={address!r}")
    if part is not None and part not in PARTS:
        raise SiteError(f"A site has the parts {', '.join(PARTS)}. Received: site={address!r} with part {part!r}")
    number = int(index) if index is not None and index.isdigit() else index
    return Site(path, int(call) if call is not None else None, part or "out", number)


@dataclass(frozen=True)
class Spec:
    """Shape (None where it varies) and dtype name of one tensor; `key` is its place in a list or dict."""

    shape: tuple[int | None, ...] | None
    dtype: str
    key: int | str = 0

    def __str__(self) -> str:
        sizes = "?" if self.shape is None else ", ".join("None" if n is None else str(n) for n in self.shape)
        return f"({sizes}) {self.dtype}"


@dataclass(frozen=True)
class SiteRow:
    """What one shape-only trace has seen of one layer.

    Attributes:
        path: Address of the layer.
        class_name: Name of its class.
        name: Its Keras name, which need not be unique.
        inputs: Per call, the specs of its first argument's tensors.
        outputs: Per call, the specs of the tensors that it returned.
        reason: Why nothing can be read here; empty when something can.
        aliases: Other attribute paths to the same layer.
    """

    path: str
    class_name: str
    name: str = ""
    inputs: tuple[tuple[Spec, ...], ...] = ()
    outputs: tuple[tuple[Spec, ...], ...] = ()
    reason: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """How often the forward call came by."""
        return len(self.outputs)

    def specs(self, site: Site) -> tuple[Spec, ...]:
        """The specs of the tensors at this site's call and part."""
        return (self.inputs if site.part == "in" else self.outputs)[site.call or 0]


@dataclass(frozen=True)
class SiteTable(Sequence[SiteRow]):
    """The layers of a model in the order of the forward call; prints and shows as a table."""

    rows: tuple[SiteRow, ...]
    _by_path: dict[str, SiteRow] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_path = {alias: row for row in self.rows for alias in row.aliases} | {row.path: row for row in self.rows}
        object.__setattr__(self, "_by_path", by_path)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._by_path[index] if isinstance(index, str) else self.rows[index]

    def __iter__(self) -> Iterator[SiteRow]:
        return iter(self.rows)

    def resolve(self, address: str | Site) -> Site:
        """The complete address that a short form stands for.

        Args:
            address: Full path, unique suffix, or unique layer name, with call and part as wanted.

        Returns:
            A `Site` whose path, call and tensor index are settled.

        Raises:
            SiteError: if the address is unknown (names the three nearest), ambiguous (lists the candidates), was
                called more than once and no call is given, or has several tensors and none is chosen.
        """
        site = parse(address)
        row = self._row(site)
        if not row.calls:
            raise SiteError(f"Nothing can be read at '{row.path}': {row.reason} Received: site={str(address)!r}")
        call = self._call(site, row)
        site = Site(row.path, call if row.calls > 1 else None, site.part, site.index)
        return Site(site.path, site.call, site.part, self._index(site, row))

    def spec(self, site: Site) -> Spec:
        """Shape and dtype at a resolved site."""
        specs = self._by_path[site.path].specs(site)
        return next((s for s in specs if s.key == site.index), specs[0])

    def _row(self, site: Site) -> SiteRow:
        if site.path in self._by_path:
            return self._by_path[site.path]
        found = [row for row in self.rows if row.path.endswith((f".{site.path}", f"].{site.path}")) and row.calls]
        found = found or [row for row in self.rows if row.name == site.path]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(repr(row.path) for row in found)
            raise SiteError(f"The site {site.path!r} is ambiguous: it may be {names}. Give the whole address.")
        near = difflib.get_close_matches(site.path, self._by_path, n=3, cutoff=0.0)
        names = ", ".join(repr(path) for path in near if path)
        raise SiteError(f"The model has no site {site.path!r}. The nearest: {names}. lens.sites() lists all.")

    @staticmethod
    def _call(site: Site, row: SiteRow) -> int:
        if site.call is None and row.calls > 1:
            names = ", ".join(f"'{row.path}#{k}'" for k in range(row.calls))
            raise SiteError(f"'{row.path}' is called {row.calls} times in one forward pass: choose one of {names}.")
        if (site.call or 0) >= row.calls:
            raise SiteError(f"'{row.path}' is called {row.calls} times, so the last call is #{row.calls - 1}. "
                            f"Received: #{site.call}")
        return site.call or 0

    @staticmethod
    def _index(site: Site, row: SiteRow) -> int | str | None:
        specs = row.specs(site)
        keys = [spec.key for spec in specs]
        names = ", ".join(f"'{Site(site.path, site.call, site.part, key)}'" for key in keys)
        if not specs:
            raise SiteError(f"'{Site(site.path, site.call, site.part)}' holds no tensor.")
        if site.index is not None and site.index not in keys:
            raise SiteError(f"'{row.path}' has at this part only {names}. Received: index [{site.index}]")
        if site.index is None and len(keys) > 1 and (site.part == "in" or isinstance(keys[0], str)):
            whole = Site(site.path, site.call, site.part)
            raise SiteError(f"'{whole}' holds {len(keys)} tensors: choose one of {names}.")
        if len(keys) == 1:
            return None
        return keys[0] if site.index is None else site.index

    def to_frame(self) -> pandas.DataFrame:
        """One row per layer: address, class, calls, input, output, note."""
        import pandas

        records = [
            (row.path or ":in, :out", row.class_name, row.calls, _show(row.inputs), _show(row.outputs), row.reason)
            for row in self.rows
        ]
        return pandas.DataFrame(records, columns=["address", "class", "calls", "input", "output", "note"])

    def __str__(self) -> str:
        return str(self.to_frame().to_string(index=False, justify="left", max_colwidth=60))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))


def _show(calls: tuple[tuple[Spec, ...], ...]) -> str:
    return "; ".join(dict.fromkeys(", ".join(map(str, specs)) for specs in calls))
