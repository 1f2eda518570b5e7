"""vfprog: visual-field progression from a latent-variable model of fields."""

from importlib.metadata import version

__version__ = version("vfprog")
