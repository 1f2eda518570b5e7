"""Command line: one verb per rule of the workflow, in modules by what they work on."""

from vfprog.cli import archetypes, assessment, cohorts, eyes, guided, models, pages, scores
from vfprog.cli.app import app, verbs

__all__ = [
    "app",
    "archetypes",
    "assessment",
    "cohorts",
    "eyes",
    "guided",
    "models",
    "pages",
    "scores",
    "verbs",
]
