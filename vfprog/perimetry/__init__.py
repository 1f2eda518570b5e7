"""Perimetry in numpy: grids, deviation from normal, classical progression analyses."""
