"""Figures of a cohort: functions from tables and arrays to axes."""
