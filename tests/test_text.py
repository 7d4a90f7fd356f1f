"""Words cover the text, tokens are found where they were made, pooling loses nothing; all in linear time."""

import re
import string
import time
import unicodedata

import numpy as np
import pytest

from kerasintrospect.errors import InputError
from kerasintrospect.text import NOWHERE, TokenRow, align, pool_words, word_ids, words

# Written in the manner of tweets; nobody's words.
TWEETS = [
    "RT @bob_smith: I don't care!!! see https://t.co/Ab3dE5... #NotHappy #fail :(",
    "Yay 😂😂😂 we won 3-2 at 12:30pm for $3.50 (that's 99% off) &amp; I'm soooo happy <3",
    "family 👩\u200d👩\u200d👧\u200d👦 thumbs 👍🏽 heart ❤️ keycap 1️⃣ flags 🇩🇪🇫🇷 pirate 🏴\u200d☠️",
    "Café cafe\u0301 naïve señor, ça va? — “quoted” it’s…",
    "我爱北京 很好！ カタカナです 한국어 테스트 नमस्ते ไทย العَرَبِيَّة",
    '<script>alert("x & y")</script> <b>not bold</b> {{ 7*7 }} ../../etc',
    "U.S.A. e.g. a 10-year-old said rock'n'roll -_- ^_^ o_O \\o/ ¯\\_(ツ)_/¯ XD :'( ;-P",
    "@a @b @c: www.example.org/path?q=1&r=2, mail me@example.org; bit.ly/xY9 snake_case C++",
    "\u200bzero\u200bwidth \u202eright to left\u202c \ufeffbom nul\x00byte tab\tnew\nline\u3000wide\u00a0hard",
    "!!! ... ?!?! ((( ))) @ # $ % -- ' \" `` ''",
    "",
    " \n\t ",
]


ENGLAND = "🏴" + "".join(chr(0xE0000 + ord(letter)) for letter in "gbeng") + "\U000e007f"


def read(text):
    return [text[start:end] for start, end in words(text)]


# Words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RT @bob: I don't care!!! :)", ["RT", "@bob", ":", "I", "don't", "care", "!!!", ":)"]),
        ("see https://t.co/a1... (http://x.org/?q=1), ok",
         ["see", "https://t.co/a1", "...", "(", "http://x.org/?q=1", "),", "ok"]),
        ("t.co/xyz me@x.org www.a.de/ü.", ["t.co/xyz", "me@x.org", "www.a.de/ü", "."]),
        ("https://t.co/abc日本", ["https://t.co/abc", "日", "本"]),
        ("#tag #日本語 @ann's", ["#tag", "#日本語", "@ann", "'", "s"]),
        ("10-year-old 12:30pm $3.50 99% 1,000 1st", ["10-year-old", "12:30pm", "$3.50", "99%", "1,000", "1st"]),
        ("rock'n'roll it’s 'cause U.S.A. e.g. this", ["rock'n'roll", "it’s", "'", "cause", "U.S.A.", "e.g.", "this"]),
        ("😂😂 👍🏽 ❤️ 1️⃣ 🇩🇪🇫🇷", ["😂", "😂", "👍🏽", "❤️", "1️⃣", "🇩🇪", "🇫🇷"]),
        ("so👩\u200d👩\u200d👧\u200d👦cute", ["so", "👩\u200d👩\u200d👧\u200d👦", "cute"]),
        (f"{ENGLAND}!", [ENGLAND, "!"]),
        (":) :-( ;P XD <3 </3 ^_^ -_- o_O :)))", [":)", ":-(", ";P", "XD", "<3", "</3", "^_^", "-_-", "o_O", ":)))"]),
        ("ok!!:) no:pe", ["ok", "!!", ":)", "no", ":", "pe"]),
        ("<script>x</script>", ["<", "script", ">", "x", "</", "script", ">"]),
        ("a &amp; b &#128514; &c", ["a", "&amp;", "b", "&#128514;", "&", "c"]),
        ("cafe\u0301 नमस्ते 한국어 ไทย", ["cafe\u0301", "नमस्ते", "한국어", "ไทย"]),
        ("我爱 カタカナです", ["我", "爱", "カタカナです"]),
    ],
)  # fmt: skip
def test_words_are_what_people_see(text, expected):
    assert read(text) == expected


def random_text(rng, length):
    pools = [
        string.ascii_letters, string.digits, string.punctuation, " \t\n\u00a0\u3000", "éßﬁ½…’“”—€", "\u0301\u0308\u093e",
        "😂👍🏽❤️🇩🇪🏴👩\u200d\ufe0f\u20e3", "我日本カな한국", "\u200b\u202e\ufeff\x00\ud800\ue000\U000e0067",
    ]  # fmt: skip
    pool = [pools[i] for i in rng.integers(len(pools), size=length)]
    return "".join(chars[rng.integers(len(chars))] for chars in pool)


@pytest.mark.parametrize("text", TWEETS + [random_text(np.random.default_rng(seed), 60) for seed in range(200)])
def test_words_cover_every_character_but_white_space_once_and_in_order(text):
    spans = words(text)
    assert [i for span in spans for i in range(*span)] == [i for i, char in enumerate(text) if not char.isspace()]
    assert all(start < end for start, end in spans)


# Tokens


def lower_and_strip(text):
    """What Keras TextVectorization(standardize="lower_and_strip_punctuation") does."""
    return re.sub(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""", "", text.lower())


def tokenizer_words(text):
    """What the Tokenizer of tf_keras does: filters become blanks."""
    return "".join(" " if c in '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n' else c for c in text.lower()).split()


def bert_words(text):
    """What BERT's basic tokenizer does: no accents, no case, punctuation apart."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) not in ("Mn", "Cf", "Cc"))
    return re.findall(r"\w+|[^\w\s]", re.sub("([\u4e00-\u9fff])", r" \1 ", plain))


def same(piece, token):
    """Whether a stretch of the text may have been made a token: compared without anything that is dropped."""
    def bare(value):
        folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", value).casefold())
        return "".join(c for c in folded if c.isalnum() or unicodedata.category(c) in ("So", "Sk", "Sc"))

    return bare(piece) == bare(token)


def check(text, tokens, spans):
    """Every token is found, in order, on letters that are its own."""
    end = 0
    for token, span in zip(tokens, spans, strict=True):
        assert span != NOWHERE, (token, text)
        accent = unicodedata.category(token[0])[0] == "M"  # inside its letter's span
        assert end - accent <= span[0] < span[1] <= len(text)
        assert same(text[slice(*span)], token), (token, text[slice(*span)])
        end = span[1]


def test_the_example():
    text = "Don't stop!!! I'm #happy :)"
    spans = align(text, ["dont", "stop", "im", "happy"])
    assert [text[a:b] for a, b in spans] == ["Don't", "stop", "I'm", "happy"]


ENGLISH = [tweet for tweet in TWEETS if "zero" not in tweet]


@pytest.mark.parametrize("text", ENGLISH)
@pytest.mark.parametrize("split", [str.split, list], ids=["whitespace", "character"])
def test_text_vectorization(text, split):
    tokens = split(lower_and_strip(text))
    spans = align(text, tokens)
    if split is str.split:
        check(text, tokens, spans)
    else:
        assert [text[a].lower() for a, _ in spans] == tokens
        assert [a for a, _ in spans] == sorted({a for a, _ in spans})


@pytest.mark.parametrize("text", ENGLISH)
@pytest.mark.parametrize("tokenize", [tokenizer_words, bert_words, str.split], ids=["tokenizer", "bert", "no standardize"])
def test_other_tokenizers(text, tokenize):
    tokens = tokenize(text)
    check(text, tokens, align(text, tokens))


@pytest.mark.parametrize("seed", range(100))
def test_words_of_a_random_text_are_found_exactly_where_they_were_cut(seed):
    rng = np.random.default_rng(seed)
    text = random_text(rng, 80).replace("\ud800", "").lower()
    pieces = [match.span() for match in re.finditer(r"\S+", text)]
    spans = align(text, [text[a:b] for a, b in pieces])
    marks_only = [not any(c.isalnum() for c in text[a:b]) for a, b in pieces]
    wrong = [(text[slice(*p)], s) for p, s, m in zip(pieces, spans, marks_only, strict=True) if not m and s != p]
    assert wrong == []


def found(text, tokens):
    return [text[a:b] if (a, b) != NOWHERE else None for a, b in align(text, tokens)]


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("Unbelievable!", ["un", "##bel", "##iev", "##able", "!"], ["Un", "bel", "iev", "able", "!"]),
        ("hello world", ["▁hello", "▁wor", "ld"], ["hello", "wor", "ld"]),
        ("hello world", ["hello", "Ġworld"], ["hello", "world"]),
        ("hello world it's", ["hello", " world", " it", "'s"], ["hello", "world", "it", "'s"]),
        ("Café naïve ﬁne Straße ½", ["cafe", "naive", "fine", "strasse"], ["Café", "naïve", "ﬁne", "Straße"]),
        ("cafe\u0301 x", ["café", "x"], ["cafe\u0301", "x"]),
        ("(see this)! “so” it’s…", ["(see", "this)!", "“so”", "it’s…"], ["(see", "this)!", "“so”", "it’s…"]),
        ("<script>x</script>", ["<script>x</script>"], ["<script>x</script>"]),
        ("a-b snake_case", ["ab", "snakecase"], ["a-b", "snake_case"]),
        ("我爱北京", ["我", "爱", "[UNK]", "京"], ["我", "爱", None, "京"]),
        ("a\u00a0b c", ["a\u00a0b", "c"], ["a\u00a0b", "c"]),
        ("foo bar", ["foobar"], [None]),  # white space is never skipped
        ("lol 😂 ok", ["lol", "😂", "ok"], ["lol", "😂", "ok"]),
        ("x ❤️ y", ["x", "❤", "y"], ["x", "❤️", "y"]),  # without the sign that asks for colour
        ("hi", ["", " ", "!"], [None, None, None]),
        ("a b c … d", ["a", "…", "b", "c", "d"], ["a", None, "b", "c", "d"]),  # not the mark behind the next token
        ("", ["a", ""], [None, None]),
        ("hi", [], []),
    ],
)
def test_each_kind_of_token(text, tokens, expected):
    assert found(text, tokens) == expected


NAMES = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "[unused1]", "<unk>", "<OOV>", "<s>", "</s>", "<pad>", "<|endoftext|>"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_tokenizer_are_nowhere_even_if_the_user_writes_them(name):
    text = f"unknown drunk pads {name} s class"
    assert found(text, [name, "drunk", name, "class"]) == [None, "drunk", None, "class"]


def test_a_token_that_is_not_there_does_not_move_the_search():
    assert found("one two three", ["one", "zzz", "two", "one", "three"]) == ["one", None, "two", None, "three"]


@pytest.mark.parametrize(
    ("text", "tokens", "starts"),
    [
        ("unbelievable smart table", ["table"], [19]),  # not in the middle of a word that the vocabulary lacks
        ("there is the end", ["the", "end"], [9, 13]),
        ("5 cats and the number of it", ["num", "cats", "and", "the", "number", "of", "it"], [-1, 2, 7, 11, 15, 22, 25]),
        ("@bob hi, t.co/x hello", ["<user>", "hi", "<url>", "hello"], [-1, 5, -1, 16]),
        ("@bob hi, t.co/x hello the user said url", ["user", "hi", "url", "hello", "the", "user", "said", "url"],
         [-1, 5, -1, 16, 22, 26, 31, 36]),
        ("caféine x", ["c", "a", "f", "i", "n", "e", "x"], [0, 1, 2, 4, 5, 6, 8]),  # ASCII only: é was dropped
    ],
)  # fmt: skip
def test_dropped_and_invented_words_do_not_lead_astray(text, tokens, starts):
    assert [start for start, _ in align(text, tokens)] == starts


def test_known_words_only_are_found_where_they_stand():
    """The Tokenizer of tf_keras drops what it does not know; the rest must not slip onto parts of it."""
    rng = np.random.default_rng(0)
    vocabulary = ["the", "he", "at", "cat", "on", "mat", "a", "sat"]
    others = ["there", "chat", "cats", "once", "hon", "matter", "sate", "weather", "that"]
    for _ in range(300):
        text = " ".join(rng.choice(vocabulary + others, size=12))
        places = [match.span() for match in re.finditer(r"\w+", text) if match[0] in vocabulary]
        assert align(text, [text[a:b] for a, b in places]) == places


def test_n_grams_may_go_back_and_overlap():
    text = "the cat sat, on the mat"
    tokens = ["the", "cat", "sat", "on", "the", "mat", "the cat", "cat sat", "sat on", "on the", "the mat", "the cat sat"]
    spans = align(text, tokens)
    assert [text[a:b] for a, b in spans[:6]] == ["the", "cat", "sat", "on", "the", "mat"]
    assert [text[a:b] for a, b in spans[6:]] == ["the cat", "cat sat", "sat, on", "on the", "the mat", "the cat sat"]
    assert spans[10][0] == 16


def test_n_grams_over_dropped_words_and_n_grams_that_are_not_there():
    tokens = ["not good", "good not", "not so", "not - so"]
    assert found("not - so good", tokens) == ["not - so good", None, "not - so", "not - so"]
    assert found("ab ab ab", ["ab ab", "ab ab", "ab"]) == ["ab ab", "ab ab", "ab"]
    assert [span[0] for span in align("ab ab ab", ["ab ab", "ab ab"])] == [0, 3]


LONG = 10_000
CASES = {
    "one letter": ("a" * LONG, ["a"] * LONG),
    "words": ("the cat " * (LONG // 8), ["the", "cat"] * (LONG // 8)),
    "repeated": ("good bad " * (LONG // 9), ["good"] * 100),
    "unknown": ("the cat " * (LONG // 8), ["[UNK]"] * LONG),
    "not there": ("the cat " * (LONG // 8), [f"z{i}" for i in range(1000)]),
    "parts": ("goodies " * (LONG // 8), ["good"] * 1000),
    "marks": ("!" * LONG, ["!"] * LONG),
    "bigrams": ("the cat " * (LONG // 8), ["the cat", "cat the"] * (LONG // 8)),
    "wide bigrams": ("the - x cat " * (LONG // 12), ["the cat", "cat the"] * 500),
    "far": ("x " * (LONG // 2) + "y", ["y", "x"] * (LONG // 4)),
    "accents": ("e\u0301" * (LONG // 2), ["é"] * (LONG // 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_long_texts_take_no_longer_than_their_length(name):
    start = time.perf_counter()
    align(*CASES[name])
    assert time.perf_counter() - start < 3  # 0.1 s as a rule; minutes when quadratic


UNITS = ["a.", "a-", "(", ":", "^", "<", "&a", "1.", "www.", "http://", "@", "\u200d", "e\u0301", "[:;", "😂", "a@", "-_"]


@pytest.mark.parametrize("unit", UNITS)
def test_long_runs_of_anything_are_read_at_once(unit):
    start = time.perf_counter()
    words(unit * (2 * LONG // len(unit)))
    assert time.perf_counter() - start < 3


# Words of tokens


def brute_word_ids(spans, word_spans):
    shared = [[len({*range(*span)} & {*range(*word)}) for word in word_spans] for span in spans]
    return [row.index(max(row)) if row and max(row) else -1 for row in shared]


@pytest.mark.parametrize("seed", range(50))
def test_word_ids_equal_the_count_of_shared_characters(seed):
    rng = np.random.default_rng(seed)
    text = random_text(rng, 50)
    edges = np.sort(rng.integers(0, 51, (30, 2)), 1)
    spans = [tuple(edge) for edge in edges.tolist()] + [NOWHERE]
    assert word_ids(spans, words(text)) == brute_word_ids(spans, words(text))


def test_word_ids_of_word_pieces():
    text = "Don't be unhappy"
    spans = align(text, ["[CLS]", "don", "'", "t", "be", "un", "##happy", "[SEP]"])
    assert word_ids(spans, words(text)) == [-1, 0, 0, 0, 1, 2, 2, -1]
    assert word_ids([(0, 2)], []) == [-1]
    assert word_ids([], words(text)) == []


def brute_pool(values, ids, n_words, how):
    out = []
    for word in range(n_words):
        part = [value for value, i in zip(values, ids, strict=True) if i == word]
        if how == "sum":
            out.append(np.sum(part, 0) if part else np.zeros(values.shape[1:]))
        elif not part:
            out.append(np.full(values.shape[1:], np.nan))
        elif how == "mean":
            out.append(np.mean(part, 0))
        else:
            out.append(np.apply_along_axis(lambda v: max(v, key=abs), 0, np.array(part)))
    return np.array(out)


@pytest.mark.parametrize("how", ["sum", "mean", "max_abs"])
@pytest.mark.parametrize("shape", [(12,), (12, 3)])
def test_pooling_equals_a_loop(how, shape):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values, ids = rng.standard_normal(shape), rng.integers(-1, 6, 12)
        pooled = pool_words(values, ids.tolist(), 7, how)
        np.testing.assert_allclose(pooled, brute_pool(values, ids, 7, how), rtol=1e-6)
        assert pooled.dtype == np.float32 and pooled.shape == (7, *shape[1:])


def test_pooling_by_sum_loses_nothing_of_the_tokens_that_have_words():
    values = np.array([0.25, -1.5, 2.0, 4.0], np.float32)
    assert pool_words(values, [0, 0, 2, -1], 3).tolist() == [-1.25, 0.0, 2.0]


def test_max_abs_keeps_the_sign_and_takes_the_first_of_equals():
    assert pool_words([1.0, -3.0, 3.0, 0.0], [0, 0, 0, 1], 2, "max_abs").tolist() == [-3.0, 0.0]


def test_pooling_nothing():
    assert pool_words([], [], 0).shape == (0,)
    assert np.isnan(pool_words([], [], 2, "mean")).all()
    assert pool_words(np.zeros((2, 3)), [-1, -1], 2).shape == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [0], 1, "max"), """`how` has to be "sum", "mean" or "max_abs". Received: how='max'."""),
        (([1.0, 2.0], [0], 1), "Each value needs one word id. Received: 2 values, 1 ids."),
        (([1.0, 2.0], [0, 3], 3), "`ids` have to be from -1 to 2. Received: 0 to 3."),
        (([1.0, 2.0], [0, -2], 3), "`ids` have to be from -1 to 2. Received: -2 to 0."),
    ],
)
def test_faults_of_pooling_are_named(arguments, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        pool_words(*arguments)


def test_a_row_of_tokens_is_a_value():
    row = TokenRow(("a",), ((0, 1),))
    assert row == TokenRow(("a",), ((0, 1),), False, ()) and hash(row) == hash(TokenRow(("a",), ((0, 1),)))
