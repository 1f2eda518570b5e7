"""Forecasts, rates, calibration and their evaluation."""
