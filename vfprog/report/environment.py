"""How templates become pages: every value escaped, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from vfprog import __version__
from vfprog.plots.style import FORECAST, MEASURED, RATE


def environment() -> Environment:
    """Jinja with every value escaped, and one script, known to the browser by its digest."""
    made = Environment(
        loader=PackageLoader("vfprog.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (files("vfprog.report") / "templates" / "table.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made.globals |= {
        "script": script,
        "script_digest": f"sha256-{digest}",
        "version": __version__,
        "colours": {"measured": MEASURED, "rate": RATE, "forecast": FORECAST},
    }
    return made
