"""The demo's tweets are mended and split so that the accuracy is honest, and the demo runs in both families."""

from __future__ import annotations

import runpy
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_examples import run_here

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))
tweets = pytest.importorskip("tweets")
sys.path.remove(str(EXAMPLES))


def damage(text: str, rounds: int) -> str:
    """What happened to the corpus, by codec; what Mac Roman lacks was lost to '_'."""
    data = text.encode()
    for _ in range(rounds):
        data = data.decode("cp1252").encode("mac_roman", "replace").replace(b"?", b"_")
    return data.decode("latin-1")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("US flies &amp;amp; me &gt;&gt; you", "US flies & me >> you"),
        (" line\rends \t here\n", "line ends here"),
        ("it\xe4\xf3\xbbs", "it’s"),
        ("\x8a\x97\x93@JetBlue: fleek\x8a\x97\x9d", "“@JetBlue: fleek”"),
        ("Õ¢_\x8aÎ\x81Ð@WIRED: carsÕ¢_\x8aÎë\x9d", "“@WIRED: cars”"),
        ("DJ Snake, Alesso #Coachella2015 _ôÖ\x8d", "DJ Snake, Alesso #Coachella2015 😍"),
        ("snake_case and _ stay", "snake_case and _ stay"),
        ("@user_ \xf4\xf5 gone", "@user_ gone"),
    ],
)
def test_a_damaged_tweet_is_mended(text, meant):
    assert tweets.clean(text) == meant


@pytest.mark.parametrize("rounds", [2, 3])
@pytest.mark.parametrize("character", "’é😂")
def test_what_was_damaged_reads_again(character, rounds):
    assert tweets.clean(f"so {damage(character, rounds)} far") == f"so {character} far"


def test_copies_are_grouped_and_others_are_not():
    texts = pd.Series(
        [
            "Google self-driving cars are ready for city streets, says the company http://t.co/abc",
            "RT @verge: Google self-driving cars are ready for city streets, says the company http://t.co/xyz",
            "Google self-driving cars are ready for city streets, says company @someone",
            "the flight was late and nobody said a word about it all day",
            "@united thanks",
            "@JetBlue Thanks!",
            "@united",
            "",
        ]
    )
    groups = tweets.group_copies(texts)
    assert groups[0] == groups[1] == groups[2] and groups[4] == groups[5] and groups[6] == groups[7]
    assert len(set(groups)) == 4


def test_the_tweets_are_distinct_and_labelled_and_drawn_by_seed():
    every = tweets.load_tweets()
    assert every["text"].is_unique and (every["text"] != "").all() and set(every["label"]) == {0, 1, 2}
    assert 37_000 < len(every) < 38_158
    assert every["text"].str.contains(r"[\x80-\x9f]|&amp;").sum() == 0
    assert tweets.load_tweets(limit=50).equals(every.head(50))
    assert not tweets.load_tweets(limit=50, seed=1).equals(every.head(50))


def test_no_copy_is_on_both_sides():
    every = tweets.load_tweets(limit=6000)
    train, test = tweets.split_tweets(every)
    assert len(train) + len(test) == len(every) and 0.15 < len(test) / len(every) < 0.25
    copies = [[" ".join(tweets._essence(text).split()) for text in side["text"]] for side in (train, test)]
    assert not set(copies[0]) & set(copies[1])
    shuffled = np.random.default_rng(0).permutation(len(every))[: len(train)]
    mixed = {copy for i, copy in enumerate(map(tweets._essence, every["text"])) if i in set(shuffled)}
    assert mixed & {tweets._essence(every["text"][i]) for i in set(range(len(every))) - set(shuffled)}  # a plain split does
    assert tweets.split_tweets(every)[1].equals(test) and not tweets.split_tweets(every, seed=1)[1].equals(test)


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_the_demo_and_the_command_that_it_prints(family, tmp_path, monkeypatch, capsys):
    run_here(monkeypatch, tmp_path, str(EXAMPLES / "demo_tweets.py"), "--quick", "--keras", family)
    told = capsys.readouterr().out
    report = tmp_path / "demo_output" / "report.html"
    assert f"The report:  {report.as_uri()}" in told and told.count("labelled") == 3
    report.unlink()
    line = shlex.split(next(line for line in told.splitlines() if " debug --model " in line))
    monkeypatch.setattr(sys, "argv", ["kerasintrospect", *line[1:]])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("kerasintrospect", run_name="__main__")
    assert end.value.code == 0, capsys.readouterr().err
    assert "What the model gets wrong" in report.read_text(encoding="utf-8")
