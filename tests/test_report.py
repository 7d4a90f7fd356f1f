"""The page: nothing in a text becomes markup, all that is known can be read, and the file stays small."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest

from kerasintrospect import AblationCurve, Attribution, PatchGrid, cluster_neurons
from kerasintrospect.report import coloured_texts, render
from kerasintrospect.report.cards import Scored, build_errors, coloured, visible
from kerasintrospect.report.overview import build_overview

NAMES = ["negative", "neutral", "positive"]
TEXT = "Yay. Monday again, so happy"


def word(text, part, predicted, true, unknown=False):
    start = text.index(part)
    return {
        "start": start,
        "end": start + len(part),
        "predicted": predicted,
        "true": true,
        "unknown": unknown,
    }


def neighbor(text="so happy today", label=2, distance=0.1234, shared=((3, 8),), index=7):
    return {
        "index": index,
        "text": text,
        "label": label,
        "distance": distance,
        "shared": [list(s) for s in shared],
    }


def teacher(text="so glad it is Monday", label=2, influence=0.97, shared=((14, 20),), index=9, suspect=False):
    return {**neighbor(text, label, 0, shared, index), "influence": influence, "suspect": suspect}


def error(text=TEXT, rank=1, label=0, predicted=2, words=None, neighbors=None, n_classes=3, **more):
    if words is None:
        words = [
            word(text, "Yay", 1.0, -0.5),
            word(text, "Monday", -0.3, 0.9),
            word(text, "again", 0, 0, True),
        ]
    neighbors = [neighbor()] * 4 + [neighbor(label=0)] if neighbors is None else neighbors
    scores = [0.0] * n_classes
    scores[label], scores[predicted] = 0.03, 0.97
    return {
        "rank": rank,
        "index": 40 + rank,
        "text": text,
        "label": label,
        "predicted": predicted,
        "scores": scores,
        "loss": 3.506558,
        "truncated": False,
        "n_unknown": 1,
        "n_words": 5,
        "words": words,
        "delta": 0.001,
        "neighbors": neighbors,
        "teachers": [teacher(), teacher(suspect=True)],
        "neighbor_labels": [sum(n["label"] == i for n in neighbors) for i in range(n_classes)],
        "verdict": {
            "kind": "suspect-label",
            "title": "Suspect the label",
            "text": "4 of the 5 carry “positive”.",
        },
        **more,
    }


def facts(errors=None, names=NAMES, notes=("2 texts are empty.",), confusion=None, **more):
    errors = [error(n_classes=len(names))] if errors is None else errors
    bins = [
        {"low": i / 10, "high": (i + 1) / 10, "count": 0, "confidence": None, "accuracy": None}
        for i in range(10)
    ]
    bins[9] |= {"count": 10, "confidence": 0.95, "accuracy": 0.9}
    confusion = confusion or [[8 if i == j else 1 for j in range(len(names))] for i in range(len(names))]
    row = {"support": 10, "predicted": 9, "precision": 0.5, "recall": None, "f1": None}
    return {
        "version": "0.1.0",
        "created": "2026-01-01T00:00:00+00:00",
        "title": "Errors",
        "class_names": list(names),
        "model": {
            "name": "tiny",
            "family": "keras",
            "kind": "functional",
            "parameters": 1234,
            "max_length": 64,
        },
        "site": "embedding",
        "method": "integrated_gradients",
        "k": 5,
        "n_train": 100,
        "notes": list(notes),
        "audit": None,
        "neurons": None,
        "errors": errors,
        "overview": {
            "n": 10,
            "n_errors": len(errors),
            "n_shown": len(errors),
            "accuracy": 0.9,
            "majority": 0.4,
            "per_class": [{"class": name, **row} for name in names],
            "confusion": confusion,
            "calibration": {"ece": 0.05, "bins": bins},
            "verdicts": [{"kind": "suspect-label", "title": "Suspect the label", "count": len(errors)}]
            if errors
            else [],
        },
        **more,
    }


class Page(HTMLParser):
    """What a browser would see: elements with attributes in order, and the text between them."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.inside = [], "", {"script": "", "style": ""}
        self.current = None
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.current = tag

    def handle_endtag(self, tag):
        self.current = None

    def handle_data(self, data):
        if self.current in self.inside:
            self.inside[self.current] += data
        else:
            self.text += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def shape(self):
        return [(tag, list(attributes)) for tag, attributes in self.elements]

    def having(self, **wanted):
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in wanted.items()}
        return [(tag, a) for tag, a in self.elements if wanted.items() <= a.items()]


HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "</style><script>alert(1)</script>",
    "<!-- <b>bold</b> --> &lt;i&gt; &amp;",
    "{{7*7}} {% raw %} {# no #}",
    '" onmouseover="alert(1)" x=\'',
    "]]><svg onload=alert(1)>",
    "</textarea></title></select></option><a href=javascript:alert(1)>",
    "right \u202eto left\u202c and \u2066isolated",
    "nul \x00 bell \x07 escape \x1b[31m c1 \x9b delete \x7f",
    "half \ud83d a surrogate \udc00",
    "noncharacters \ufffe \uffff",
    "family 👩‍👩‍👧 flag 🇪🇺 skin 👍🏽",
    "العربية и עברית",
    "http://example.com/" + "x" * 300,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_text_becomes_markup(text):
    def page(value):
        half = len(value) // 2
        words = [{"start": half, "end": len(value), "predicted": 1.0, "true": -1.0, "unknown": True}]
        near = [neighbor(value, shared=((half, len(value)),))]
        names = [value, "neutral", value[::-1]]
        verdict = {"kind": "suspect-label", "title": "Suspect", "text": value}
        errors = [error(value, words=words, neighbors=near, verdict=verdict)]
        made = facts(errors, names=names, notes=[value], title=value, site=value)
        return Page(render({**made, "model": {**made["model"], "name": value}}))

    hostile, harmless = page(text), page("x" * len(text))
    assert hostile.shape() == harmless.shape()
    assert hostile.inside == harmless.inside
    assert hostile.text.count(visible(text)) >= 4  # twice in colours, in the verdict, in a note


def test_every_character_can_be_seen():
    page = render(facts([error(text, words=[], neighbors=[neighbor(text, shared=[])]) for text in HOSTILE]))
    page.encode("utf-8")
    assert re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page) == []
    assert visible("a\x00b\x1b\u202ec\x7f\ud800") == "a␀b␛␦c␡\ufffd"
    assert visible("tab\tline\nemoji 👍🏽") == "tab\tline\nemoji 👍🏽"


def test_the_page_asks_for_nothing_and_runs_only_its_own_script():
    page = Page(render(facts()))
    script = page.inside["script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = page.having(http_equiv="Content-Security-Policy")[0][1]["content"]
    assert "default-src 'none'" in policy
    assert re.search(r"script-src ([^;]*)", policy)[1] == f"'sha256-{digest}'"
    links = [
        a[name] for _, a in page.elements for name in ("src", "href", "action", "xlink:href") if name in a
    ]
    assert links and all(re.fullmatch(r"#e\d+", link) for link in links)
    assert [a for _, a in page.elements if any(name.startswith("on") for name in a)] == []
    assert "url(" not in page.inside["style"] and "@import" not in page.inside["style"]


def test_the_script_finds_every_element_that_it_asks_for():
    page = Page(render(facts()))
    asked = set(re.findall(r'at\("([\w-]+)"\)', page.inside["script"]))
    assert asked and asked <= {a.get("id") for _, a in page.elements}


def test_ids_are_unique():
    page = Page(render(facts([error(rank=i) for i in range(1, 4)])))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("length", [140, 280, 10_000])
def test_five_hundred_errors_stay_under_five_megabytes(length):
    text = ("word " * length)[:length]
    words = [
        {"start": i, "end": i + 4, "predicted": 0.5, "true": -0.4, "unknown": False}
        for i in range(0, length - 4, 5)
    ]
    near = [neighbor(text, shared=((0, 4), (20, 24)))] * 5
    page = render(facts([error(text, rank, words=words, neighbors=near) for rank in range(1, 501)]))
    assert len(page.encode()) < 5_000_000
    assert page.count("<article") == 500
    assert ("are shown here" in page) == (length == 10_000)


def test_a_long_text_is_whole_when_there_is_room():
    text = "x" * 9_000
    assert text in Page(render(facts([error(text, words=[], neighbors=[])]))).text


def test_each_error_is_told_in_full():
    text = Page(render(facts())).text
    for said in [
        "labelled negative",
        "predicted positive",
        "Suspect the label.",
        "4 of the 5 carry “positive”.",
        "loss 3.51",
        "text 41",
        "0.97",
        "0.03",
        "0.123",
        "so happy today",
        "for Yay 1.00",
        "against Monday 0.30",
        "for Monday 0.90",
        "against Yay 0.50",
        "90.0 %",
        "40.0 % by always saying",
        "2 texts are empty.",
        "1,234",
        "integrated_gradients",
    ]:
        assert said in re.sub(r"\s+", " ", text), said


def test_a_text_is_coloured_for_both_classes_on_one_scale():
    page = Page(render(facts()))
    marks = [a for tag, a in page.elements if tag == "mark" and "title" in a]
    assert [(a["class"], a["title"]) for a in marks] == [
        ("p4", "+1.000"),
        ("n2", "−0.300"),
        ("n2", "−0.500"),
        ("p4", "+0.900"),
    ]
    assert len(page.having(class_="colouring predicted")) == len(page.having(class_="colouring true")) == 1


def test_the_scale_is_that_of_the_stronger_class():
    words = [word(TEXT, "Yay", 0.5, -2.0), word(TEXT, "happy", 0.1, 1.0)]
    page = Page(render(facts([error(words=words)])))
    assert [a["class"] for tag, a in page.elements if tag == "mark" and "title" in a] == ["p1", "n4", "p2"]


def test_words_are_marked_where_they_stand():
    pieces = coloured(
        "a bb, cc", [Scored(0, 1, 0.5), Scored(2, 4, -1.0), Scored(6, 8, 0.0, unknown=True)], 1.0, 99
    )
    assert [(p.text, p.marks, p.hint) for p in pieces] == [
        ("a", "p2", "+0.500"),
        (" ", "", ""),
        ("bb", "n4", "−1.000"),
        (", ", "", ""),
        ("cc", "u", ""),
    ]


@pytest.mark.parametrize("score", [0.7, 0.7000001, 3.0])
def test_no_colour_is_deeper_than_the_deepest(score):
    assert [p.marks for p in coloured("aa bb", [Scored(0, 2, score), Scored(3, 5, -score)], 0.7, 99) if p.marks] == ["p4", "n4"]


@pytest.mark.parametrize("limit", range(1, 12))
def test_a_cut_text_keeps_its_beginning(limit):
    text = "aa bb cc dd"
    pieces = coloured(text, [Scored(i, i + 2, 1.0) for i in (0, 3, 6, 9)], 1.0, limit)
    assert "".join(p.text for p in pieces) == visible(text, limit)


def test_the_words_that_a_neighbor_shares_are_marked():
    part = next(iter(build_errors(facts(), 1000)))
    assert [(p.text, p.marks) for p in part.neighbors[0].pieces] == [
        ("so ", ""),
        ("happy", "s"),
        (" today", ""),
    ]
    assert [(bar.name, bar.figure, bar.role) for bar in part.votes] == [
        ("positive", "4", "model"),
        ("negative", "1", "label"),
    ]


def test_teachers_stand_beside_neighbors_and_doubted_ones_say_so():
    page = Page(render(facts([error()]))).text
    assert page.count("What taught it this") == 2 and page.count("+0.970") == 2 and page.count("suspect label") == 1
    assert Page(render(facts([error(teachers=[])]))).text.count("What taught it this") == 1  # in the help
    hostile = render(facts([error(teachers=[teacher("<img src=x onerror=alert(1)>", shared=[])])]))
    assert "<img" not in hostile and "&lt;img" in hostile


def test_what_the_page_sorts_by_are_numbers():
    page = Page(render(facts([error(), error(rank=2, neighbors=[])])))
    cards = [a for tag, a in page.elements if tag == "article"]
    assert len(cards) == 2
    for card in cards:
        keys = {
            name: float(value)
            for name, value in card.items()
            if name.startswith("data-") and name != "data-kind"
        }
        assert set(keys) == {
            f"data-{k}" for k in "loss confidence distance length index label predicted".split()
        }
        assert all(abs(value) < 1e12 for value in keys.values())
    # No neighbor at all is farther than any.
    assert float(cards[1]["data-distance"]) > float(cards[0]["data-distance"])


def test_cells_of_the_confusion_matrix_filter():
    confusion = [[5, 2, 0], [0, 4, 0], [1, 0, 3]]
    buttons = [a for tag, a in Page(render(facts(confusion=confusion))).elements if tag == "button"]
    cells = [(a["data-set-label"], a["data-set-predicted"]) for a in buttons if "data-set-label" in a]
    assert cells == [("0", "1"), ("2", "0")]


def test_of_many_classes_the_matrix_shows_those_with_the_most_errors():
    names = [f"class {i}" for i in range(150)]
    confusion = [[9 + i % 7 if i == j else 0 for j in range(150)] for i in range(150)]
    confusion[120][140] = 3
    overview = build_overview(facts(names=names, confusion=confusion))
    assert len(overview.columns) == 20 and {120, 140} <= set(overview.columns)
    assert list(overview.columns) == sorted(overview.columns)
    page = Page(render(facts(names=names, confusion=confusion)))
    assert "The 20 classes with the most errors, of 150." in page.text


def test_without_errors_the_page_says_so():
    page = Page(render(facts([])))
    assert "every text of the test set is classified as it is labelled" in page.text
    assert "Why it errs" not in page.text


def test_without_a_training_set_there_are_no_neighbors():
    page = Page(render(facts([error(neighbors=[])], n_train=None, site="")))
    assert "Nearest training texts" not in page.text and "Compared at" not in page.text


def test_an_empty_text_has_a_card():
    page = Page(render(facts([error("", words=[])])))
    assert "The text is empty." in page.text


def test_without_script_everything_can_be_read():
    page = Page(render(facts()))
    assert "hidden" in page.having(id="bar")[0][1]
    assert [a for tag, a in page.elements if tag in ("article", "section", "div") and "hidden" in a] == []
    assert "data-view" not in next(a for tag, a in page.elements if tag == "body")


def test_the_facts_of_the_page_survive_json():
    assert render(json.loads(json.dumps(facts()))) == render(facts())


def rgb(value):
    value = value.strip()
    if value.startswith("#"):
        value = "".join(c * 2 for c in value[1:]) if len(value) == 4 else value[1:]
        return [int(value[i : i + 2], 16) for i in (0, 2, 4)]
    return [int(part) for part in value.split()]


def luminance(colour):
    parts = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a, b):
    high, low = sorted([luminance(a), luminance(b)], reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_can_be_read_on_the_deepest_colours(theme):
    css = files("kerasintrospect.report").joinpath("templates/page.css").read_text()
    themes = re.findall(r":root \{(.*?)\}", css, re.S)
    values = dict(re.findall(r"--([\w-]+):\s*([^;]+);", themes[0]))
    values |= dict(re.findall(r"--([\w-]+):\s*([^;]+);", themes[theme]))
    ink, card = rgb(values["ink"]), rgb(values["card"])
    for tone in ("for", "against"):
        share = float(values["l4"])
        mixed = [share * c + (1 - share) * b for c, b in zip(rgb(values[tone]), card, strict=True)]
        assert contrast(ink, mixed) > 4.5, tone
        assert contrast(rgb(values[f"{tone}-line"]), card) > 3, tone
    for ground in ("paper", "card", "fill"):
        assert contrast(rgb(values["soft"]), rgb(values[ground])) > 4.5, ground


def attribution(text, tokens, spans, scores):
    return Attribution(text, tokens, spans, np.array(scores, np.float32), 1, "<pos>", 1, None, False, ())


def test_attributions_show_as_coloured_texts():
    shown = [
        attribution("I <b>love</b> it", ("love", "it"), ((5, 9), (14, 16)), [1.0, -0.5]),
        attribution(None, ("x[0]", "<img>"), ((-1, -1), (-1, -1)), [0.2, 0.4]),
    ]
    page = Page(coloured_texts(shown))
    assert {tag for tag, _ in page.elements} == {"div", "style", "p", "b", "mark"}
    assert "I <b>love</b> it" in page.text and "x[0] <img>" in page.text and "<pos>" in page.text
    marks = [(a["class"], a["title"]) for tag, a in page.elements if tag == "mark"]
    assert marks == [("p4", "+1.000"), ("n2", "−0.500"), ("p2", "+0.200"), ("p4", "+0.400")]


AUDIT = {
    "class_names": NAMES,
    "counts": {"suspects": 90, "duplicates": 1, "leakage": 1, "holes": 0, "templates": 2},
    "suspects": [{"index": 4, "label": "negative", "text": "I love <b>it</b>", "reason": "the model gives it 0.01"}] * 12,
    "duplicates": [
        {"group": 0, "index": i, "text": f"copy {i}", "label": NAMES[i], "copies": 2, "majority": "negative"} for i in (0, 1)
    ],
    "leakage": [
        {"index": 3, "label": None, "text": "seen", "train_index": 8, "train_label": "neutral", "similarity": 0.91}
    ],
    "holes": [],
    "templates": [
        {"count": 12, "share": 0.031, "example": "flight 12 late", "n_negative": 10, "n_neutral": 0, "n_positive": 2}
    ] * 2,
}


def test_the_audit_has_a_section_of_its_own():
    source = render(facts(audit=AUDIT))
    page = Page(source)
    assert "The training set" in page.text and "<b>it</b>" not in source
    assert page.text.count("the model gives it 0.01") == 10  # the first ten
    assert "2 copies, most of them negative" in page.text and "copy 1" in page.text
    assert "like training text 8 (neutral), similarity 0.91" in page.text
    assert "2 groups" in page.text and "3.1 % of the training set: 10 negative, 2 positive" in page.text
    assert "Errors far from all training" not in page.text  # there are none
    assert "The training set" not in Page(render(facts())).text


def curve(**lines):
    counts = np.array([0, 1, 4])
    flat = {name: np.full(3, np.nan) for name in ("a", "a (bottom)", "random")}
    score = {"a": np.array([7.0, 5.0, 2.0]), "a (bottom)": np.array([7.0, 7.0, 2.0]), "random": np.array([7.0, 6.0, 2.0])}
    given = {"flips": flat, "accuracy": None, "score": score, "edit": "zero()"} | lines
    return AblationCurve("bilstm", counts=counts, spread=np.array([0.0, 0.5, 0.0]), **given)


def test_the_curve_of_a_regression_is_that_of_its_score():
    ax = curve().plot()
    assert ax.get_ylabel() == "mean score" and ax.get_xlabel() == "units of bilstm set to 0"
    drawn = {line.get_label(): line.get_ydata().tolist() for line in ax.get_lines()}
    assert drawn == {"a": [7, 5, 2], "a, last first": [7, 7, 2], "random units": [7, 6, 2]}
    low, high = ax.get_ylim()
    assert 1 < low < 2 and 7 < high < 8  # its own range
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 2 and (5.5 in band[:, 1]) and (6.5 in band[:, 1])


@pytest.mark.parametrize(("edit", "said"), [
    ("mean()", "units of bilstm set to their mean"), ("steer(factor=2.0)", "units of bilstm turned up or down (factor=2.0)"),
    ("mean(words=('not',))", "units of bilstm set to their mean (words=('not',))"),
    ("mine(x=1)", "units of bilstm under mine(x=1)"),
    (f"patch(source={'x' * 99!r})", "units of bilstm given the values of another text"),
])  # fmt: skip
def test_the_axis_says_what_was_done(edit, said):
    flips = {name: np.array([0.0, 0.1, 0.2]) for name in ("a", "a (bottom)", "random")}
    ax = curve(flips=flips, edit=edit).plot()
    assert ax.get_xlabel() == said and ax.get_ylabel() == "share of predictions changed"
    assert curve(flips=flips, accuracy=flips).plot().get_ylabel() == "accuracy"


def test_a_grid_without_a_difference_is_no_zero():
    scores = np.ones((2, 3), np.float32)
    ax = PatchGrid(["a", "b"], [("x", "x")] * 3, scores, 1.0, 1.0, "q", "t", "t").plot()
    assert np.ma.getmaskarray(ax.images[0].get_array()).all() and "no difference" in ax.get_title()
    ax = PatchGrid(["a", "b"], [("x", "x")] * 3, scores, 0.3312, 0.3345, "q", "t", "t").plot()
    assert "0.331 in the text, 0.335 in the source" in ax.get_title() or "0.334 in the source" in ax.get_title()


def test_clusters_are_framed_and_their_units_numbered():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(200, 5))
    X = np.hstack([base, base[:, :3] + 0.01 * rng.normal(size=(200, 3))])  # 0 and 5, 1 and 6, 2 and 7
    clusters = cluster_neurons(X)
    axis = clusters.plot().axes[0]
    assert [int(tick.get_text()) for tick in axis.get_xticklabels()] == clusters.order.tolist()
    frames = {tuple(map(int, line.get_xdata()[:2])) for line in axis.get_lines()}
    order = clusters.order.tolist()
    assert {frozenset(order[a:b]) for a, b in frames} == {frozenset({0, 5}), frozenset({1, 6}), frozenset({2, 7})}
    many = cluster_neurons(rng.normal(size=(300, 120))).plot().axes[0]
    assert [tick.get_text() for tick in many.get_xticklabels()] == []
