"""Commands about neurons: activations on disk, what is known at each layer, the neurons that matter."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import kerasintrospect as ki

from .files import load, read, read_texts, split, wrap
from .program import ClassNames, LabelColumn, Listing, ListingOption, Model, TextColumn, app
from .terminal import line, one_sentence_per_fault
from .training import FIRST, as_json, say, table

if TYPE_CHECKING:
    from kerasintrospect import Introspector, SiteProbes

__all__ = ["export", "neurons", "probe"]

Texts = Annotated[
    Path, typer.Option("--texts", help="CSV file with texts and labels; .conllu or .conll with a label for each word.")
]
Sites = Annotated[
    list[str] | None, typer.Option("--site", help="A place in the model, of those that `sites` lists; may be repeated.")
]
Place = Annotated[
    str | None,
    typer.Option("--site", help="Where the neurons are, of the places that `kerasintrospect sites` lists. "
                                "[default: the last layer with a vector per word, or else the input of the last layer]"),
]  # fmt: skip
Tag = Annotated[str, typer.Option(help="Column of a .conllu file, such as upos, xpos or feats:Number.")]
Unit = Annotated[str | None, typer.Option(help="What a row is: example, word or token. [default: what has labels]")]


class How(str, Enum):
    """What takes a neuron away."""

    mean = "mean"
    zero = "zero"
    resample = "resample"


@app.command()
def export(
    model: Model,
    texts: Texts,
    site: Sites,
    out: Annotated[Path, typer.Option(help="Folder of the activations; an export that was stopped goes on there.")],
    unit: Unit = None,
    pool: Annotated[str, typer.Option(help="How tokens become one vector: mean, max, first or last.")] = "mean",
    dtype: Annotated[str, typer.Option(help="float16 or float32.")] = "float16",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    tag: Tag = "upos",
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    class_names: ClassNames = None,
) -> None:
    """Write the activations of texts, words or tokens to disk, for all sites in one pass."""
    with one_sentence_per_fault():
        lens, inputs, labels, notes = _given(model, texts, tag, text_column, label_column, class_names)
        tagged = labels is None
        by = unit or ("word" if tagged else "example")
        store = lens.export(inputs, out, site or [], labels, unit=by, pool=pool, dtype=dtype, overwrite=overwrite)
        say([*notes, *store.notes])
        typer.echo(f"{store!r}\nWritten: {out}")


@app.command()
def probe(
    model: Model,
    texts: Texts,
    site: Sites = None,
    unit: Unit = None,
    untrained: Annotated[bool, typer.Option(help="Compare with the model with random weights.")] = True,
    method: Annotated[str, typer.Option(help="Of the ranking of neurons.")] = "linear",
    plot: Annotated[Path | None, typer.Option(help="Picture to draw: .png, .svg or .pdf.")] = None,
    tag: Tag = "upos",
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    class_names: ClassNames = None,
    format: ListingOption = Listing.table,
) -> None:
    """What is known at which layer? A probe at each, with the controls without which its score says nothing."""
    with one_sentence_per_fault():
        if plot is not None and (plot.suffix not in (".png", ".svg", ".pdf") or not plot.parent.is_dir()):
            raise ki.InputError(f"--plot has to be a .png, .svg or .pdf in a folder that exists. Received: --plot {plot}")
        lens, inputs, labels, notes = _given(model, texts, tag, text_column, label_column, class_names)
        by = unit or ("word" if labels is None else "example")
        found = lens.probe(inputs, labels, site or None, unit=by, untrained=untrained, method=method)
        if plot is not None:
            found.plot().savefig(plot)
        say(notes)
        if format is Listing.json:
            typer.echo(as_json(found.to_dict()))
            return
        typer.echo(f"{found}\n\nBest: {found.best}\n{found[found.best]}")
        if labels is not None:
            say(_about_output(lens, inputs, found))


@app.command()
def neurons(
    model: Model,
    texts: Annotated[Path, typer.Option("--texts", help="CSV file with texts that the model was not trained on; labels help.")],
    out: Annotated[Path | None, typer.Option(help="Page to write: .html, or .json.")] = None,
    site: Place = None,
    how: Annotated[
        How | None, typer.Option(help="What a neuron becomes, to see what it did. [default: mean; in a regression zero]")
    ] = None,
    unit: Annotated[list[int] | None, typer.Option(help="Number of a neuron to show; may be repeated.")] = None,
    top: Annotated[int, typer.Option(help="How many neurons to show.")] = 8,
    max_texts: Annotated[int, typer.Option(help="Texts to read; more are drawn from.")] = 1000,
    text_column: TextColumn = "text",
    label_column: Annotated[
        str | None, typer.Option(help="Column with the labels: class indices or names. [default: label, where there is one]")
    ] = None,
    class_names: ClassNames = None,
) -> None:
    """Show the neurons that matter most: what they do to the answers, and what they respond to."""
    with one_sentence_per_fault():
        if out is not None and (out.suffix not in (".html", ".json") or not out.parent.is_dir()):
            raise ki.InputError(f"--out has to be a .html or .json in a folder that exists. Received: --out {out}")
        tested = read_texts(texts, text_column, label_column)
        lens, notes = wrap(model, split(class_names), tested, tested)
        given, labels = tested.pair(lens.class_names)
        found = lens.neuron_report(given, labels or None, site=site, units=unit or None, top=top, max_texts=max_texts,
                                   edit=None if how is None else ki.ablate(how=how.value))  # fmt: skip
        say([*tested.notes, *notes, *found.facts["notes"]])
        typer.echo(f"{found!r}\n{table(found.units.head(FIRST))}")
        if out is not None:
            typer.echo(f"\nWritten: {found.save(out)}")


def _about_output(lens: "Introspector", texts: list[str], found: "SiteProbes") -> list[str]:
    """That the best site is the model's own answer, if it is."""
    before = [site for site in found if site != found.best]
    answers = len(lens.predict(texts[:1]).class_names)
    if not before or found.best != list(found)[-1] or found[found.best].facts["units"] != answers:
        return []
    best = max(before, key=lambda site: found[site].facts["validation_score"])
    return [f"{found.best} is as wide as the model's answer and comes last. The best before it: {best}."]


def _given(
    model: Path, texts: Path, tag: str, text_column: str, label_column: str, class_names: str | None
) -> "tuple[Introspector, Any, Any, list[str]]":
    """The lens, the inputs, their labels (None where each word has one), and what should be known."""
    lens = ki.wrap(load(model), class_names=split(class_names))
    if texts.suffix.lower() in (".conllu", ".conll"):
        words = ki.read_conllu(texts, tag) if texts.suffix.lower() == ".conllu" else ki.read_columns(texts)
        return lens, words, None, []
    given = read(texts, text_column, label_column)
    sentences, labels = given.pair(None)  # of any concept, not only the classes of the model
    values = [float(label) for label in labels] if any(isinstance(label, float) for label in labels) else labels
    return lens, sentences, values, [line(note) for note in given.notes]
