"""Inference: training, fitting, posteriors, checkpoints."""
