"""Words of the models' pages: columns, kinds, rows and options."""

from __future__ import annotations

# Columns of models.csv as the pages show them: heading, decimals, meaning.
COLUMNS = {
    "latent_dim": ("Latents", 0, "Number of latents."),
    "active_units": ("In use", 0, "Latents that carry more than 0.05 nats a row on held-out rows."),
    "beta": (
        "\N{GREEK SMALL LETTER BETA}",
        2,
        "Weight of the log-likelihood: loss = KL \N{MINUS SIGN} beta log p.",
    ),
    "evidence": (
        "Evidence",
        2,
        "Importance-weighted bound on the log probability of the recorded cells at 1000 draws, nats a held-out row; "
        "more is better. Compares across likelihoods and kinds, but only on the same rows.",
    ),
    "elbo": ("ELBO", 2, "The evidence lower bound of the guide, with closed-form KL, nats a row."),
    "gap": ("Gap", 2, "Evidence less ELBO: what the guide loses against the true posterior, nats a row."),
    "kl": ("Rate", 2, "KL of the guide from the prior, nats a row: what the latents carry."),
    "distortion": (
        "Distortion",
        2,
        "Negative expected log-likelihood, nats a row: ELBO = \N{MINUS SIGN}distortion \N{MINUS SIGN} rate.",
    ),
    "retest_mae": (
        "Retest (dB)",
        3,
        "Mean absolute difference of one field's decoded field from the mean of the eye's other retests.",
    ),
    "forecast_mae": (
        "Forecast (dB)",
        3,
        "Mean absolute error of later visits, each location forecast by the mean of the eye's first three decoded "
        "fields.",
    ),
    "retest_mae_measured": (
        "Retest, measured (dB)",
        3,
        "The same of the field as measured, which a model must beat.",
    ),
    "forecast_mae_measured": (
        "Forecast, measured (dB)",
        3,
        "The same of the mean of the eye's first three fields as measured, the simple forecast that a model must beat.",
    ),
    "c2st_accuracy": (
        "Two-sample",
        3,
        "How often a classifier tells drawn rows from held-out ones, on rows it did not learn from, with its 95 % "
        "interval; 0.5 is best.",
    ),
    "seconds": ("Training (s)", 0, "Seconds of training."),
}
KINDS = {
    "vae": "Variational autoencoder of an eye's series",
    "field": "Latent-variable model",
    "two_view": "Deep information bottleneck of two views",
    "archetypes": "Deep archetypal analysis",
    "guided": "Property-guided latent space",
}
# What rows are, by the data of a model or its views.
ROWS = {
    "fields": "Visual fields",
    "digits": "Digits (8 \N{MULTIPLICATION SIGN} 8)",
    "faces": "Faces (25 \N{MULTIPLICATION SIGN} 25)",
    "structure_function": "Fields seen from the nerve fibre layer",
    "fellow_eye": "Fields seen from the fellow eye",
    "hemifield": "Inferior hemifields seen from the superior ones",
    "early_later": "Later fields seen from the first visits",
}
# Options of the kinds that have them, as a page names them.
OPTIONS = {
    "likelihood": "Likelihood",
    "floor": "Values at the floor",
    "guide": "Covariance of the guide",
    "decoder_hidden": "Hidden layers of the decoder",
    "encoder_hidden": "Hidden layers of the guide",
    "archetypes": "Archetypes",
    "side": "Side information",
    "properties": "Properties",
}
