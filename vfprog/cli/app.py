"""Command line: one verb per rule of the workflow. ``vfprog VERB --help`` explains each.

Verbs take files, and the config sections they need as JSON, so each runs without the workflow. A user's mistake
ends in one line and status 2. Imports stand inside the verbs: a verb loads, and depends on, only what it uses.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from vfprog.errors import UserError

Options = Annotated[str, typer.Option(help="Config section as JSON")]
Seed = Annotated[int, typer.Option(help="The run's seed")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Threads = Annotated[int, typer.Option(help="torch and BLAS threads")]
Many = Annotated[list[Path], typer.Option()]
Some = Annotated[list[Path] | None, typer.Option()]
Structure = Annotated[list[str] | None, typer.Option(help="Column of a nerve fibre layer sector; repeat")]

verbs = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
log = logging.getLogger("vfprog")


def app() -> None:
    """Run the command line; a :class:`UserError` is one line on stderr and exit status 2."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    try:
        verbs()
    except UserError as error:
        print(f"vfprog: {error}", file=sys.stderr)
        sys.exit(2)
