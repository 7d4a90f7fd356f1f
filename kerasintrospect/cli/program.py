"""The program that commands belong to, and the options that several of them share."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ClassNames", "LabelColumn", "Listing", "ListingOption", "Model", "Site", "TextColumn", "Train", "app"]

app = typer.Typer(
    help="See why a trained Keras text model is wrong.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Listing(str, Enum):
    """How a table is written."""

    table = "table"
    json = "json"


Model = Annotated[Path, typer.Option("--model", help="Saved Keras model: .keras or .h5.")]
Train = Annotated[Path, typer.Option("--train", help="CSV file that the model was trained on.")]
TextColumn = Annotated[str, typer.Option(help="Column with the texts.")]
LabelColumn = Annotated[str, typer.Option(help="Column with the labels: class indices or names.")]
ClassNames = Annotated[
    str | None, typer.Option(help="Names of the classes in the order of the outputs, with commas between.")
]
Site = Annotated[str | None, typer.Option(help="Where in the model texts are compared.")]
ListingOption = Annotated[Listing, typer.Option("--format", help="How to print them.")]
