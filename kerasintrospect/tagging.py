"""Words with labels: from CoNLL-U, from columns, or from two lists; every mismatch is named with its line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .errors import InputError, InputTypeError
from .text import Span

__all__ = ["Tagged", "read_columns", "read_conllu", "tagged"]

Path_ = str | os.PathLike[str]
_FIELDS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_NONE = "_"


@dataclass(frozen=True)
class Tagged:
    """Texts whose words have labels.

    Attributes:
        texts: The texts; a sentence each.
        spans: Per text, where its words stand: ascending, none over another.
        labels: Per text, one label per word; None for a word without one.
        source: Where they come from, in words.
    """

    texts: list[str]
    spans: list[list[Span]]
    labels: list[list[Any]]
    source: str = ""

    def __post_init__(self) -> None:
        if not len(self.texts) == len(self.spans) == len(self.labels):
            raise InputError("Each text needs its spans and its labels. Received: lists of "
                             f"{len(self.texts)} texts, {len(self.spans)} spans, {len(self.labels)} labels.")  # fmt: skip
        for i, (text, spans, labels) in enumerate(zip(self.texts, self.spans, self.labels, strict=True)):
            if len(spans) != len(labels):
                raise InputError(f"Each word needs a label. Received: {len(spans)} words and {len(labels)} labels in text {i}.")
            end = 0
            for span in spans:
                if not end <= span[0] < span[1] <= len(text):
                    raise InputError("The spans of words are not empty, inside the text, ascending, and none over another. "
                                     f"Received: {tuple(span)} after character {end} of {len(text)} in text {i}.")  # fmt: skip
                end = span[1]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def words(self) -> list[list[str]]:
        """Per text its words."""
        return [[text[a:b] for a, b in spans] for text, spans in zip(self.texts, self.spans, strict=True)]

    def __repr__(self) -> str:
        kinds = {label for labels in self.labels for label in labels} - {None}
        n = sum(map(len, self.spans))
        return f"Tagged({len(self)} texts, {n} words, {len(kinds)} labels{f', {self.source}' if self.source else ''})"


def tagged(words: Sequence[Sequence[str]], labels: Sequence[Sequence[Any]]) -> Tagged:
    """Words and labels as two aligned lists; the texts are the words with blanks between them.

    Args:
        words: Per text its words.
        labels: Per text one label per word, a class or a number; None for a word without one.

    Raises:
        InputError: if they do not align; it names the text.

    Example:
        >>> ki.tagged([["I", "run"]], [["PRON", "VERB"]]).spans
        [[(0, 1), (2, 5)]]
    """
    if not isinstance(words, Sized) or not isinstance(labels, Sized):
        raise InputTypeError(f"`words` and `labels` are lists. Received: {type(words).__name__} and {type(labels).__name__}.")
    if len(words) != len(labels):
        raise InputError(f"`words` and `labels` hold one list per text. Received: {len(words)} and {len(labels)} lists.")
    texts, spans = [], []
    for i, (row, tags) in enumerate(zip(words, labels, strict=True)):
        other = next((one for one in (row, tags) if isinstance(one, (str, bytes)) or not isinstance(one, Iterable)), ())
        if not isinstance(other, tuple):
            raise InputTypeError("`words` and `labels` hold one list per text. "
                                 f"Received: a {type(other).__name__} at position {i}.")  # fmt: skip
        if len(row) != len(tags):
            raise InputError(f"Each word needs a label. Received: {len(row)} words and {len(tags)} labels in text {i}.")
        if not len(row):
            raise InputError(f"A text has words. Received: none in text {i}.")
        wrong = [word for word in row if not isinstance(word, str) or not word.strip()]
        if wrong:
            raise InputError(f"A word is a str that is not blank. Received: {wrong[0]!r} in text {i}.")
        text, places = _joined([(word, True) for word in row])
        texts.append(text)
        spans.append(places)
    return Tagged(texts, spans, [list(row) for row in labels])


def read_columns(path: Path_, word: int = 0, label: int = -1, separator: str | None = None) -> Tagged:
    """Words and labels in the columns of a file, as CoNLL 2000, 2002 and 2003 have them; a blank line ends a sentence.

    Lines that start with -DOCSTART- are left out.

    Args:
        path: The file, in UTF-8.
        word: The column of the words, from 0; negative from the end.
        label: The column of the labels.
        separator: What is between columns; None takes tabs in a line that has any, white space otherwise.

    Raises:
        InputError: if a line has other columns than the first; it names the line.
    """
    sentences: list[list[tuple[str, str]]] = [[]]
    columns = 0
    for number, line in _lines(path):
        if not line.strip() or line.startswith("-DOCSTART-"):
            sentences.append([])
            continue
        cut = separator if separator is not None else "\t" if "\t" in line else None
        fields = line.strip("\n").split(cut)
        columns = columns or len(fields)
        if len(fields) != columns:
            raise _fault(path, number, f"Every line has as many columns as the first, {columns}.", f"{len(fields)} columns")
        if not (-columns <= word < columns and -columns <= label < columns):
            raise _fault(path, number, f"`word` and `label` are columns of the file, which has {columns}.",
                         f"word={word}, label={label}")  # fmt: skip
        if not fields[word].strip():
            raise _fault(path, number, "A word is not blank.", repr(line))
        sentences[-1].append((fields[word], fields[label]))
    rows = [row for row in sentences if row]
    if not rows:
        raise InputError(f"The file holds no word. Received: path={os.fspath(path)!r}.")
    made = tagged([[form for form, _ in row] for row in rows], [[tag for _, tag in row] for row in rows])
    return Tagged(made.texts, made.spans, made.labels, Path(path).name)


def read_conllu(path: Path_, column: str = "upos") -> Tagged:
    """Words and labels of a CoNLL-U file, as Universal Dependencies have them; each sentence is a text.

    SpaceAfter=No is followed. Words of a multiword token (1-2) have spans of their own if they make up its form
    ("don't" is "do" and "n't"), and are one word with both labels joined by "+" otherwise ("im" is ADP+DET).
    Empty nodes (1.1) stand for no character and are left out.

    Args:
        path: The file, in UTF-8.
        column: `"form"`, `"lemma"`, `"upos"`, `"xpos"`, `"feats"`, `"deprel"`, ..., or one feature, such as `"feats:Number"`
            or `"misc:Gloss"`; a word without it has the label None.

    Raises:
        InputError: if a line is not CoNLL-U; it names the line.
    """
    name, _, key = column.partition(":")
    if name not in _FIELDS or (key and name not in ("feats", "misc")):
        raise InputError(f"`column` is one of {', '.join(_FIELDS)}, or one feature, such as 'feats:Number'. "
                         f"Received: column={column!r}.")  # fmt: skip
    texts, spans, labels = [], [], []
    for sentence in _sentences(path):
        pieces, tags = _surface(sentence, lambda token: _label(token, _FIELDS.index(name), key), path)
        text, places = _joined(pieces)
        if sentence.text is not None and sentence.text.split() != text.split():
            _check_same(sentence, text, path)
        texts.append(text)
        spans.append(places)
        labels.append(tags)
    if not texts:
        raise InputError(f"The file holds no word. Received: path={os.fspath(path)!r}.")
    return Tagged(texts, spans, labels, f"{Path(path).name}, {column}")


class _Token(NamedTuple):
    line: int
    first: int
    last: int  # first, but for multiword tokens
    fields: list[str]


class _Sentence(NamedTuple):
    line: int
    text: str | None
    tokens: list[_Token]


def _sentences(path: Path_) -> Iterator[_Sentence]:
    tokens: list[_Token] = []
    text, start = None, 0
    for number, line in [*_lines(path), (-1, "")]:
        line = line.rstrip("\n")
        if line.startswith("#") and not tokens:
            if line.replace(" ", "").startswith("#text="):
                text, start = line.partition("=")[2].strip(), number
        elif line.strip():
            tokens += _token(path, number, line)
        elif tokens:
            yield _Sentence(start or tokens[0].line, text, tokens)
            tokens, text, start = [], None, 0


def _token(path: Path_, number: int, line: str) -> list[_Token]:
    fields = line.split("\t")
    if len(fields) != len(_FIELDS):
        raise _fault(path, number, "A line of CoNLL-U has 10 columns, with tabs between them.", f"{len(fields)} columns")
    if "." in fields[0]:
        return []  # an empty node
    first, dash, last = fields[0].partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()) or not fields[1].strip():
        raise _fault(path, number, "A word has a number and a form.", f"id={fields[0]!r}, form={fields[1]!r}")
    return [_Token(number, int(first), int(last or first), fields)]


def _surface(sentence: _Sentence, label: Any, path: Path_) -> tuple[list[tuple[str, bool]], list[Any]]:
    """(form, blank after) and label of each word that stands in the text."""
    pieces: list[tuple[str, bool]] = []
    tags: list[Any] = []
    words, whole, expected = [], None, 1
    for token in sentence.tokens:
        if token.last > token.first:
            if token.first != expected or whole is not None:
                raise _fault(path, token.line, f"The next word has the number {expected}.", f"id={token.fields[0]!r}")
            whole = token
            continue
        if token.first != expected:
            raise _fault(path, token.line, f"The next word has the number {expected}.", f"id={token.fields[0]!r}")
        words.append(token)
        expected += 1
        if whole is None or token.first == whole.last:
            _put(pieces, tags, words, whole, label)
            words, whole = [], None
    if whole is not None:
        raise _fault(path, whole.line, "The words of a multiword token follow it.", f"id={whole.fields[0]!r}")
    return pieces, tags


def _put(pieces: list[tuple[str, bool]], tags: list[Any], words: list[_Token], whole: _Token | None, label: Any) -> None:
    """One word, or those of a multiword token."""
    blank = "SpaceAfter=No" not in (whole or words[0]).fields[9].split("|")
    forms = [word.fields[1] for word in words]
    if whole is None or "".join(forms) == whole.fields[1]:
        pieces += [(form, blank and form_is_last) for form, form_is_last in zip(forms, _lasts(len(forms)), strict=True)]
        tags += [label(word) for word in words]
        return
    several = [one for one in map(label, words) if one is not None]
    pieces.append((whole.fields[1], blank))
    tags.append("+".join(several) or None)


def _check_same(sentence: _Sentence, forms: str, path: Path_) -> None:
    """But for blanks; shows both where they part."""
    texts = (sentence.text or "", forms)
    places = [[i for i, one in enumerate(text) if not one.isspace()] for text in texts]
    kept = ["".join(text[i] for i in where) for text, where in zip(texts, places, strict=True)]
    if kept[0] == kept[1]:
        return
    same = len(os.path.commonprefix(kept))
    shown = []
    for text, where in zip(texts, places, strict=True):
        at = where[same] if same < len(where) else len(text)
        start, end = max(0, at - 30), at + 30
        shown.append(repr("..." * (start > 0) + text[start:end] + "..." * (end < len(text))))
    raise _fault(path, sentence.line, "The forms make up the text.", f"# text = {shown[0]}, forms {shown[1]}")


def _lasts(n: int) -> list[bool]:
    return [False] * (n - 1) + [True]


def _label(token: _Token, field: int, key: str) -> str | None:
    value = token.fields[field]
    if key:
        pairs = (pair.partition("=") for pair in value.split("|"))
        return next((given for name, _, given in pairs if name == key), None)
    is_itself = field in (1, 2) and token.fields[1] == _NONE  # the word is an underscore
    return None if value == _NONE and not is_itself else value


def _joined(pieces: Iterable[tuple[str, bool]]) -> tuple[str, list[Span]]:
    """The text of words with a blank after them or not, and where they stand in it."""
    text, spans = "", []
    for form, blank in pieces:
        spans.append((len(text), len(text) + len(form)))
        text += form + " " * blank
    return text[: spans[-1][1]] if spans else "", spans


def _lines(path: Path_) -> Iterator[tuple[int, str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(f"The file has to be in UTF-8. Received: path={os.fspath(path)!r} ({error}).") from error
    except OSError as error:
        raise InputError(f"The file cannot be read. Received: path={os.fspath(path)!r} ({error}).") from error


def _fault(path: Path_, line: int, required: str, received: str) -> InputError:
    return InputError(f"{required} Received: {received} in line {line} of {os.fspath(path)!r}.")
