"""Batches of examples, whichever model they are of: summaries of series, or single rows."""

from __future__ import annotations

from typing import Any

from vfprog.data.examples import concatenate_examples
from vfprog.model.summary import FieldSummary, concatenate

Batch = Any  # FieldSummary of series, or Examples of single rows
Sizes = dict[str, int]  # locations explained, inputs seen, properties


def sizes_of(batch: Batch) -> Sizes:
    """What a network must know of its examples."""
    if isinstance(batch, FieldSummary):
        return {"locations": batch.mean.shape[1]}
    return {
        "locations": batch.x.shape[1],
        "inputs": batch.seen.shape[1],
        "properties": batch.properties.shape[1],
    }


def concatenate_batches(parts: list[Batch]) -> Batch:
    """The examples of several batches of one kind, one after another."""
    return concatenate(parts) if isinstance(parts[0], FieldSummary) else concatenate_examples(parts)
