"""Words for methods and metrics, in the order in which they are shown."""

from __future__ import annotations

METHODS = {
    "last": "Last visit",
    "mean": "Mean of past visits",
    "median_shifted_mean": "Mean, moved to the calibrated median",
    "md_trend": "Trend of MD",
    "plr": "Pointwise linear regression",
    "shrunk_plr": "Pointwise regression, shrunk",
    "published": "Published latent regression",
    "static": "VAE, static field",
    "residual": "Residual process, no network",
    "trajectory": "VAE, latent trajectory",
}
BASELINE = "mean"  # that every figure of differences takes
# What methods are compared with, in the midst of a sentence.
BASELINES = {BASELINE: "the mean of past visits", "median_shifted_mean": "the calibrated mean"}
DETECTION_SCORES = {
    "md_trend": "Trend of MD",
    "plr": "PLR criteria",
    "poplr": "PoPLR",
    "zf": "Weighted slope",
    "p_progressing_function": "p_progressing, fields alone",
    "rnfl_md_sum": "RNFL and MD slopes, summed",
    "zf_zs": "Weighted slope and RNFL slope",
    "p_progressing": "p_progressing",
}
RETEST_METHODS = {
    "raw": "One measured field",
    "vae": "VAE, from one field",
    "static": "VAE and shrunk residual, from one field",
}
METRICS = {
    "mae": "Mean absolute error (dB)",
    "crps": "CRPS (dB)",
    "coverage90": "Coverage of the 90 % interval",
    "interval_score": "Interval score (dB)",
    "md_mae": "Error of mean TD (dB)",
}
SHORT_YEARS = 0.5  # of follow-up, below which a rate says little and least squares less
HORIZONS = {"all": "any time", "<1": "below 1 year", "1-3": "1 to 3 years", ">=3": "3 years and more"}
SEVERITIES = {
    "mild": "mild (above \N{MINUS SIGN}6 dB)",
    "moderate": "moderate",
    "severe": "severe (below \N{MINUS SIGN}12 dB)",
}
# What a trajectory method takes the future to be, for readers of its forecasts.
FORECASTS = {
    "static": "The forecast takes the eye's underlying field, found from all its visits, as standing still: it does "
    "not extend the rate.",
    "trajectory": "The forecast extends the eye's path as far as its visits support one: slopes are drawn to those of "
    "other patients, so it follows a rate only in part until many visits confirm it.",
    "residual": "The forecast extends a slope at each location as far as the eye's visits support one; no network is "
    "used.",
    "published": "The forecast extends the least-squares slope of each latent.",
}
# Of rates_truth.csv, and the regions of a field.
ESTIMATORS = {"vfprog": "Rate", "fields_alone": "Rate, fields alone", "least_squares": "Least squares"}
KINDS_OF_EYES = {"all": "all", "fast": "fast", "mild": "mild", "moderate": "moderate", "severe": "severe"}
REGIONS = {
    "field": "Whole field",
    "superior": "Superior hemifield",
    "inferior": "Inferior hemifield",
    "TS": "Temporal superior disc",
    "T": "Temporal disc (centre of the field)",
    "TI": "Temporal inferior disc",
    "NI": "Nasal inferior disc",
    "N": "Nasal disc (temporal edge of the field)",
    "NS": "Nasal superior disc",
}
LATERALITY = {"OD": "right eye", "OS": "left eye"}


def method_label(method: str) -> str:
    """The method in words; a name without an entry stands for itself."""
    return METHODS.get(method, method)


def score_label(score: str) -> str:
    """The detection score in words; a name without an entry stands for itself."""
    return DETECTION_SCORES.get(score, score)


def in_order(methods: set[str]) -> list[str]:
    """Methods in the order they are shown, unknown ones last by name."""
    known = [m for m in METHODS if m in methods]
    return known + sorted(methods - set(known))
