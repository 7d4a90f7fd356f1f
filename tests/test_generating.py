"""Generated texts: a unit that answers to one token gets this token, and what is said of a text is what the model does."""

import itertools

import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from kerasintrospect.generating import _Ascent, generate, measure
from kerasintrospect.mixtures import mixture

WORDS = (["hate", "love", "the", "wicked"], ["bus", "my", "so"], ["cake", "is"])
TEXTS = [" ".join(words) for words in itertools.product(*WORDS)]


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request):
    return ki.wrap(tiny.model(__import__(request.param)))


def made(lens, site, unit, texts=TEXTS, **options):
    given = {"length": 3, "steps": 40, "restarts": 3, **options}
    return generate(lens._runner, lens._arrange, texts, lens._site(site), unit, **given)


@pytest.mark.parametrize(("unit", "word"), [(0, "hate"), (1, "bus"), (2, "love"), (3, "wicked")])
def test_a_unit_gets_the_word_that_it_answers_to(lens, unit, word):
    """The unit is a mean over tokens, so the best of all texts is known: this word three times."""
    found = made(lens, "classes:in", unit)
    assert found.text == " ".join([word] * 3)
    assert found.activation == pytest.approx(tiny.MEANING[word][unit], abs=1e-6)
    best = max(np.mean([tiny.MEANING[w][unit] for w in text.split()]) for text in TEXTS)
    assert found.corpus_activation == pytest.approx(best, abs=1e-6) and found.corpus_activation < found.activation
    assert found.corpus_text in TEXTS


def test_every_figure_is_that_of_a_normal_run(lens):
    for direction, pool in (("up", "mean"), ("down", "mean"), ("up", "max"), ("down", "max")):
        found = made(lens, "embedding", 2, direction=direction, pool=pool)
        for row in found.rows:
            assert row["reencodes"]
            acts = lens.activations([row["text"]], "embedding")
            values = acts["embedding"][0][acts.mask[0]][:, 2]
            expected = values.mean() if pool == "mean" else values.max() if direction == "up" else values.min()
            assert row["activation"] == pytest.approx(expected, abs=1e-6)
        frame = found.to_frame()
        ordered = frame[frame.source == "generated"].activation.tolist()
        assert ordered == sorted(ordered, reverse=direction == "up") and frame.source.tolist()[-1] == "corpus"
        assert found.corpus_text in str(found)


def test_the_ascent_alone_gets_there_and_the_seed_decides(lens):
    plain = made(lens, "classes:in", 0, flips=0)
    assert plain.text == "hate hate hate" and plain.rows[0]["mixture"] == pytest.approx(1.0, abs=0.02)
    assert made(lens, "classes:in", 0, flips=0).rows == plain.rows
    short = [made(lens, "classes:in", 0, flips=0, steps=1, seed=seed).rows for seed in (0, 1)]
    assert short[0] != short[1]


def test_flips_alone_find_the_best_of_a_linear_unit(lens):
    tokens = mixture(lens._runner, lens._arrange, TEXTS, 3, 100)
    for unit, word in ((0, "hate"), (2, "love")):
        ascent = _Ascent(lens._runner, tokens, lens._site("classes:in"), unit, "max", 1.0)
        found = ascent.flip(np.array([[0, 1, 2], [3, 3, 3]]), 3)
        assert [tokens.write(row) for row in found] == [" ".join([word] * 3)] * 2
        assert tokens.write(ascent.flip(np.array([[0, 1, 2]]), 0)[0]) == " ".join(tokens.tokens[:3])


def test_down_through_a_layer(lens):
    """The logit of a class falls by the words of the others; the least is theirs alone."""
    found = made(lens, "classes", 2, direction="down", length=2)
    words = {word: np.array(meaning) for word, meaning in tiny.MEANING.items() if word in " ".join(TEXTS).split()}
    scores = {}
    for a, b in itertools.product(words, repeat=2):
        logits = 8 * (words[a] + words[b])[:3] / 2
        scores[f"{a} {b}"] = (np.exp(logits) / np.exp(logits).sum())[2]
    assert found.activation == pytest.approx(min(scores.values()), rel=1e-3)


def test_the_model_is_as_before(lens):
    before, weights = lens.predict(TEXTS).scores, [w.numpy() for w in lens.model.weights if "float" in str(w.dtype)]
    made(lens, "classes:in", 0)
    np.testing.assert_array_equal(lens.predict(TEXTS).scores, before)
    for old, new in zip(weights, [w.numpy() for w in lens.model.weights if "float" in str(w.dtype)], strict=True):
        np.testing.assert_array_equal(old, new)


def test_measure_pools_as_activations_do(lens):
    arranged = lens._arrange(TEXTS)
    for pool in ("mean", "max", "first", "last"):
        found = measure(lens._runner, arranged, lens._site("embedding"), pool)
        np.testing.assert_allclose(found, lens.activations(TEXTS, "embedding", pool)["embedding"], atol=1e-6)


def test_what_cannot_be_used_is_said(lens):
    for options, message in (({"direction": "left"}, "direction='left'"), ({"pool": None}, "pool=None"),
                             ({"length": 0}, "length=0"), ({"length": 20}, "No token of the texts stands alone 20 times"),
                             ({"texts": ["xyz qwv"]}, "No token of the texts"), ({"flips": -1}, "flips=-1"),
                             ({"texts": np.ones((2, 12))}, "by a list of str")):  # fmt: skip
        with pytest.raises(ki.InputError, match=message):
            made(lens, "classes:in", 0, **options)
    with pytest.raises(ki.InputError, match="units 0 to 3. Received: unit=4"):
        made(lens, "embedding", 4)
    for options, message in (({"unit": "3"}, "unit='3'"), ({"unit": 1.0}, "unit=1.0"), ({"length": 2.5}, "length=2.5"),
                             ({"steps": "9"}, "steps='9'"), ({"seed": None}, "seed=None"), ({"temperature": 2}, "=2, learn"),
                             ({"learning_rate": "1"}, "rate='1'"), ({"lenth": 4}, "options length, .* Received: lenth=4"),
                             ({"temperature": ("a", "b")}, "pair of numbers")):  # fmt: skip
        with pytest.raises(ki.InputTypeError, match=message):
            lens.generate(TEXTS, "classes:in", **{"unit": 0, **options})
    with pytest.warns(ki.KerasIntrospectWarning), pytest.raises(ki.InputError, match="hold no token that the model sees"):
        lens.generate([""], "classes:in", 0)
    with pytest.raises(ki.InputError, match="gives float vectors"):
        made(lens, next(row.path for row in lens.sites() if row.class_name == "TextVectorization"), 0)


def test_a_model_without_an_embedding_says_so():
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="out")])
    lens = ki.wrap(model, tokenizer=lambda text: text.split(), preprocess=lambda texts: np.ones((len(texts), 3), "float32"))
    with pytest.raises(ki.UnsupportedError, match="no Embedding layer"):
        made(lens, "out", 0)


def test_inside_an_encoder_the_text_is_among_the_best_of_all():
    """A Hugging Face model, whose embedding adds positions and norms, against every text of three words."""
    from adapters.test_hf_tf import build, tokenizer

    lens, site = ki.wrap(build("Bert"), tokenizer=tokenizer()), "bert.encoder.layer[1]"
    texts = ["I loved this film !", "the end", "i love the actor , this is the end ! the film"]
    words = ["this", "film", "!", "the", "end", "i", "love", "is", "act"]
    every = [" ".join(chosen) for chosen in itertools.product(words, repeat=3)]
    acts = lens.activations(every, site)
    for unit, direction in ((0, "up"), (5, "down")):
        found = lens.generate(texts, site, unit, length=3, direction=direction, steps=40, restarts=4)
        assert "9 of" in found.notes[0] and all(row["reencodes"] for row in found.rows)  # the pieces of words stand not alone
        sign = 1 if direction == "up" else -1
        values = np.where(acts.mask, sign * acts[site][:, :, unit], -np.inf).max(1)
        assert sign * found.activation == pytest.approx(values[every.index(found.text.lower())], abs=1e-5)
        assert (values > sign * found.activation + 1e-6).mean() < 0.01
