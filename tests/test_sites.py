"""Addresses: what parses, what they stand for, and what the errors say. No framework."""

from __future__ import annotations

import subprocess
import sys

import pytest

import kerasintrospect as ki
from kerasintrospect.sites import Site, SiteRow, SiteTable, Spec, parse


def spec(*shape: int | None, key: int | str = 0) -> Spec:
    return Spec(shape, "float32", key)


FOUR = (spec(None, 4),)


def row(path: str, name: str = "", calls: int = 1, inputs=FOUR, outputs=FOUR, **rest) -> SiteRow:
    return SiteRow(path, "Dense", name or path.rsplit(".", 1)[-1], (inputs,) * calls, (outputs,) * calls, **rest)


TABLE = SiteTable((
    row(""),
    row("embed", outputs=(spec(None, 7, 4),)),
    row("encoder.layer[0]", "block"),
    row("encoder.layer[0].dense"),
    row("encoder.layer[1]", "block"),
    row("encoder.layer[1].dense", aliases=("twin.dense",)),
    row("shared", calls=3),
    row("lstm", outputs=(spec(None, 7, 3), spec(None, 3, key=1), spec(None, 3, key=2))),
    row("merge", inputs=(spec(None, 4, key="left"), spec(None, 4, key="right"))),
    row("heads", outputs=(spec(None, 3, key="label"), spec(None, 1, key="side"))),
    row("pooler", "only"),
    SiteRow("lstm.cell", "LSTMCell", "cell", reason="it runs inside a loop."),
))  # fmt: skip


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("dense", Site("dense")),
        ("encoder.layer[3]", Site("encoder.layer[3]")),
        ("shared#1", Site("shared", 1)),
        ("dense:in", Site("dense", None, "in")),
        ("dense:out", Site("dense")),
        ("encoder.layer[3].dense#12:in[1]", Site("encoder.layer[3].dense", 12, "in", 1)),
        ("merge:in[left]", Site("merge", None, "in", "left")),
        ("lstm:out[2]", Site("lstm", None, "out", 2)),
        ("tf.__operators__.add", Site("tf.__operators__.add")),
        ("a/b c", Site("a/b c")),
        (":in", Site("", None, "in")),
        (":out", Site("")),
        ("  dense ", Site("dense")),
    ],
)
def test_an_address_parses_and_prints_back(address, site):
    assert parse(address) == site
    assert parse(str(site)) == site and parse(site) is site


@pytest.mark.parametrize(
    ("address", "error", "says"),
    [
        (3, ki.InputTypeError, r"addressed by a string such as 'encoder.layer\[3\]#1:in'. Received: site=3 \(of type int\)"),
        (None, ki.InputTypeError, "Received: site=None"),
        ("", ki.SiteError, r"needs a path or a part \(':in', ':out'\). Received: site=''"),
        ("#1", ki.SiteError, "needs a path or a part"),
        ("lstm:cell_state", ki.SiteError, "the parts in, out. Received: site='lstm:cell_state' with part 'cell_state'"),
    ],
)
def test_what_is_no_address_says_so(address, error, says):
    with pytest.raises(error, match=says):
        parse(address)


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("embed", "embed"),
        ("layer[1].dense", "encoder.layer[1].dense"),
        ("layer[0]:in", "encoder.layer[0]:in"),
        ("twin.dense", "encoder.layer[1].dense"),
        ("only", "pooler"),
        ("shared#2", "shared#2"),
        ("lstm", "lstm:out[0]"),
        ("lstm:out[1]", "lstm:out[1]"),
        ("merge:in[right]", "merge:in[right]"),
        ("heads:out[side]", "heads:out[side]"),
        (":in", ":in"),
        (":out", ":out"),
        ("embed#0", "embed"),
        ("embed:out[0]", "embed"),
    ],
)
def test_a_short_form_stands_for_one_site(short, full):
    site = TABLE.resolve(short)
    assert str(site) == full and TABLE.resolve(full) == site and TABLE.resolve(site) == site


def test_the_spec_of_a_site_is_that_of_its_tensor():
    assert TABLE.spec(TABLE.resolve("lstm:out[2]")) == spec(None, 3, key=2)
    assert TABLE.spec(TABLE.resolve("lstm")).shape == (None, 7, 3)
    assert str(TABLE.spec(TABLE.resolve("embed"))) == "(None, 7, 4) float32"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("dense", r"The site 'dense' is ambiguous: it may be 'encoder.layer\[0\].dense', 'encoder.layer\[1\].dense'. "
                  "Give the whole address."),
        ("block", r"ambiguous: it may be 'encoder.layer\[0\]', 'encoder.layer\[1\]'"),
        ("lstn", r"The model has no site 'lstn'. The nearest: 'lstm', .*'.*'. lens.sites\(\) lists all."),
        ("shared", "'shared' is called 3 times in one forward pass: choose one of 'shared#0', 'shared#1', 'shared#2'."),
        ("shared#3", "'shared' is called 3 times, so the last call is #2. Received: #3"),
        ("embed#1", "'embed' is called 1 times, so the last call is #0. Received: #1"),
        ("embed:out[1]", r"'embed' has at this part only 'embed:out\[0\]'. Received: index \[1\]"),
        ("merge:in", r"'merge:in' holds 2 tensors: choose one of 'merge:in\[left\]', 'merge:in\[right\]'."),
        ("merge:in[top]", r"only 'merge:in\[left\]', 'merge:in\[right\]'. Received: index \[top\]"),
        ("heads", r"holds 2 tensors: choose one of 'heads:out\[label\]', 'heads:out\[side\]'."),
        ("lstm.cell", "Nothing can be read at 'lstm.cell': it runs inside a loop. Received: site='lstm.cell'"),
        ("cell", "Nothing can be read at 'lstm.cell'"),
    ],
)  # fmt: skip
def test_what_cannot_be_resolved_says_what_can(address, says):
    with pytest.raises(ki.SiteError, match=says):
        TABLE.resolve(address)


def test_an_unknown_site_names_the_three_nearest():
    with pytest.raises(ki.SiteError) as error:
        TABLE.resolve("encoder.layer[7].dense")
    named = str(error.value).split("nearest: ")[1].split(". lens")[0].split(", ")
    assert len(named) == 3 and {"'encoder.layer[0].dense'", "'encoder.layer[1].dense'"} < set(named)


def test_the_table_is_a_sequence_that_shows_as_a_table():
    assert len(TABLE) == 12 and TABLE[1].path == "embed" and TABLE["twin.dense"].path == "encoder.layer[1].dense"
    frame = TABLE.to_frame()
    assert list(frame.columns) == ["address", "class", "calls", "input", "output", "note"]
    assert frame.loc[0, "address"] == ":in, :out" and frame.loc[11, "note"] == "it runs inside a loop."
    assert "encoder.layer[1].dense" in str(TABLE) and "<table" in TABLE._repr_html_()
    assert TABLE.rows[6].calls == 3


def test_addresses_need_no_framework():
    code = "import sys, kerasintrospect.sites; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
