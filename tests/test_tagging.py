"""Words and labels of files: texts as they were written, every mismatch with its line."""

import re
from pathlib import Path

import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect.errors import InputError, InputTypeError

UD = """# newdoc id = a
# sent_id = 1
# text = I don't go im Haus, "now"
1	I	I	PRON	PRP	Case=Nom|Number=Sing	4	nsubj	_	_
2-3	don't	_	_	_	_	_	_	_	_
2	do	do	AUX	VBP	Number=Sing	4	aux	_	_
3	n't	not	PART	RB	_	4	advmod	_	_
4	go	go	VERB	VB	_	0	root	_	Gloss=walk|X=1
4.1	went	go	VERB	_	_	_	_	0:x	_
5-6	im	_	_	_	_	_	_	_	_
5	in	in	ADP	_	_	7	case	_	_
6	dem	der	DET	_	_	7	det	_	_
7	Haus	Haus	NOUN	_	Number=Sing	4	obl	_	SpaceAfter=No
8	,	,	PUNCT	_	_	4	punct	_	_
9	"	"	PUNCT	_	_	4	punct	_	SpaceAfter=No
10	now	now	ADV	_	_	4	advmod	_	SpaceAfter=No
11	"	"	PUNCT	_	_	4	punct	_	_

# sent_id = 2
1	_	_	PUNCT	_	_	0	root	_	_
2	#tag	#tag	NOUN	_	_	1	x	_	_
"""


@pytest.fixture
def file(tmp_path):
    def make(text):
        path = tmp_path / "a.conllu"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


def test_universal_dependencies_are_read_as_written(file):
    found = ki.read_conllu(file(UD))
    assert found.texts == ['I don\'t go im Haus, "now"', "_ #tag"]
    assert found.words == [["I", "do", "n't", "go", "im", "Haus", ",", '"', "now", '"'], ["_", "#tag"]]
    assert found.labels[0] == ["PRON", "AUX", "PART", "VERB", "ADP+DET", "NOUN", "PUNCT", "PUNCT", "ADV", "PUNCT"]
    assert found.labels[1] == ["PUNCT", "NOUN"]
    assert len(found) == 2 and "12 words" in repr(found)


@pytest.mark.parametrize(("column", "labels"), [
    ("feats:Number", ["Sing", "Sing", None, None, None, "Sing", None, None, None, None]),
    ("misc:Gloss", [None, None, None, "walk"] + [None] * 6), ("xpos", ["PRP", "VBP", "RB", "VB"] + [None] * 6),
    ("lemma", ["I", "do", "not", "go", "in+der", "Haus", ",", '"', "now", '"']),
])  # fmt: skip
def test_other_columns_and_single_features(column, labels, file):
    assert ki.read_conllu(file(UD), column).labels[0] == labels


def test_windows_line_ends_and_a_byte_order_mark(file):
    assert ki.read_conllu(file(b"\xef\xbb\xbf" + UD.replace("\n", "\r\n").encode())).texts[1] == "_ #tag"


def line(number, instead):
    lines = UD.split("\n")
    lines[number - 1] = instead
    return "\n".join(lines)


@pytest.mark.parametrize(("text", "said"), [
    (line(7, "3\tn't\tnot"), "10 columns, with tabs between them. Received: 3 columns in line 7"),
    (line(7, "x\tn't" + "\t_" * 8), "a number and a form. Received: id='x', form=\"n't\" in line 7"),
    (line(7, "4\tn't" + "\t_" * 8), "next word has the number 3. Received: id='4' in line 7"),
    (line(4, ""), "next word has the number 1. Received: id='2-3' in line 5"),
    (line(16, ""), "forms make up the text"),
    (line(3, "# text = I do go"), "forms make up the text. Received: # text = 'I do go', "),
    (line(3, "# text = I do go"), "in line 3 of"),
    (line(10, "5-9" + "\tim" + "\t_" * 8), "forms make up the text"),
    (line(17, "11-12\t\"x" + "\t_" * 8), "words of a multiword token follow it. Received: id='11-12' in line 17"),
    ("\n\n", "holds no word"), (b"1\t\xff", "has to be in UTF-8"),
])  # fmt: skip
def test_faults_of_a_file_are_named_with_their_line(text, said, file):
    with pytest.raises(InputError) as caught:
        ki.read_conllu(file(text))
    assert said in str(caught.value) and "a.conllu" in str(caught.value)


def test_texts_that_part_late_are_shown_where_they_part(file):
    words = [f"word{i}" for i in range(40)]
    rows = "\n".join(f"{i}\t{word}" + "\t_" * 8 for i, word in enumerate(words, 1))
    for last in ("other39", ""):
        with pytest.raises(InputError) as caught:
            ki.read_conllu(file(f"# text = {' '.join([*words[:-1], last])}\n{rows}\n"))
        found = re.search(r"# text = '\.\.\.(.*)', forms '\.\.\.(.*)' in line 1", str(caught.value))
        assert found[1].endswith(f"word37 word38 {last}".strip()) and found[2].endswith("word37 word38 word39")
    assert ki.read_conllu(file(f"# text = {'  '.join(words)}\n{rows}\n")).words == [words]


def test_columns_of_the_conll_tasks(file):
    path = file("-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\n# . B-NP O\n")
    found = ki.read_columns(path)
    assert (found.texts, found.labels) == (["EU rejects", "#"], [["B-ORG", "O"], ["O"]])
    assert ki.read_columns(path, label=1).labels[0] == ["NNP", "VBZ"]
    with pytest.raises(InputError, match=r"columns of the file, which has 4. Received: word=0, label=4 in line 3"):
        ki.read_columns(path, label=4)
    with pytest.raises(InputError, match=r"as many columns as the first, 2. Received: 3 columns in line 2"):
        ki.read_columns(file("a\tb\nc\td\te\n"))
    assert ki.read_columns(file("New York\tB\n")).words == [["New York"]]
    with pytest.raises(InputError, match="cannot be read"):
        ki.read_columns("nowhere.txt")


def test_two_lists_are_aligned_or_refused():
    found = ki.tagged([["I", "run"], ["é"]], [["P", None], [1]])
    assert (found.texts, found.spans, found.labels) == (["I run", "é"], [[(0, 1), (2, 5)], [(0, 1)]], [["P", None], [1]])
    with pytest.raises(InputError, match="2 words and 1 labels in text 1"):
        ki.tagged([["a"], ["b", "c"]], [["x"], ["y"]])
    with pytest.raises(InputError, match="1 and 2 lists"):
        ki.tagged([["a"]], [["x"], ["y"]])
    with pytest.raises(InputTypeError, match="a str at position 0"):
        ki.tagged(["a"], ["x"])
    with pytest.raises(InputError, match="' ' in text 0"):
        ki.tagged([["a", " "]], [["x", "y"]])
    with pytest.raises(InputError, match="Received: None in text 0"):
        ki.tagged([[None]], [[1]])
    with pytest.raises(InputTypeError, match="a NoneType at position 1"):
        ki.tagged([["a"], ["b"]], [["x"], None])
    with pytest.raises(InputTypeError, match="are lists. Received: NoneType and list"):
        ki.tagged(None, [["x"]])
    arrays = ki.tagged(np.array([["a", "b"]]), np.array([["x", "y"]]))
    assert (arrays.texts, arrays.labels) == (["a b"], [["x", "y"]])
    with pytest.raises(InputError, match="none in text 1"):
        ki.tagged([["a"], []], [["x"], []])


@pytest.mark.parametrize("spans", [[(2, 1)], [(0, 2), (1, 3)], [(0, 99)], [(-1, -1)]])
def test_spans_of_ones_own_are_checked(spans):
    with pytest.raises(InputError, match="in text 0"):
        ki.Tagged(["hello"], [spans], [["x"] * len(spans)])


def test_a_treebank_of_today_is_read_whole():
    path = Path(__file__).resolve().parents[2] / "shared/data/ud_ewt_dev.conllu"
    if not path.exists():
        pytest.skip("the treebank does not lie next to the checkout")
    found = ki.read_conllu(path)
    lines = path.read_text().split("\n")
    assert len(found) == sum(entry.startswith("1\t") for entry in lines)
    assert found.texts == [entry.removeprefix("# text = ") for entry in lines if entry.startswith("# text = ")]
    kinds = {label for row in found.labels for label in row}
    assert {"NOUN", "VERB", "PROPN"} <= kinds and None not in kinds
    assert sum(map(len, found.spans)) >= 25_000
