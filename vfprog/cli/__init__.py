"""Command line: one verb per rule of the workflow, in modules by what they work on."""

from vfprog.cli import cohorts, eyes, models, pages, scores
from vfprog.cli.app import app, verbs

__all__ = ["app", "cohorts", "eyes", "models", "pages", "scores", "verbs"]
