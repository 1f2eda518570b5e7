"""Data: readers, preprocessing, splits, series as tensors, simulation."""
