"""Names of columns and dimensions, and the units they carry: the only place where they are spelt.

Every table of a run uses these names (see README, "Outputs"). dB for fields and indices, years for time,
dB/year for rates, degrees of visual angle for positions.
"""

from __future__ import annotations

PATIENT = "patient_id"  # text as given by the source
PERSON = (
    "person"  # of a simulated cohort: whose eye it is in truth, though each replicate is a patient of its own
)
EYE = "eye"  # laterality, OD or OS
VISIT = "visit"  # 1.. by time within an eye
YEARS = "years"  # since the eye's first field
AGE = "age"  # years
DATE = "date"  # day of the test, where the source gives one
MD = "md"  # mean deviation as given, else weighted by the norms, dB
MTD = "mtd"  # plain mean of total deviation, dB
PSD = "psd"  # pattern standard deviation, dB
INCLUDED = "included"  # bool: used for models, rates and forecasts
REASON = "reason"  # why a field is not included; empty text where it is

SENS_FLOOR = (
    "sens_floor"  # where TD alone is given: normal sensitivity + TD at or below it is at the floor, dB
)

FALSE_POSITIVES = "false_positives"  # fractions, 0 to 1
FALSE_NEGATIVES = "false_negatives"
FIXATION_LOSSES = "fixation_losses"
RELIABILITY = [FALSE_POSITIVES, FALSE_NEGATIVES, FIXATION_LOSSES]

SOURCE = "source"  # file a row was read from (its name, not its folder)
ROW = "row"  # row number in that file, counted as a spreadsheet shows it

PART = "part"  # of the patient-level split: train, validation or test
FOLD = "fold"  # of cross-validation, 1..: a patient's scores come from the model that left this fold out
TIME_YEARS = "time_years"  # of a field as read, where its source gives no date: years from any origin

YEARS_AHEAD = "years_ahead"  # after the eye's last included visit
LOCATION = "location"  # 1.. in reading order, blind spot left out
X, Y = "x", "y"  # degrees, right-eye format

EYE_KEY = [PATIENT, EYE]
VISIT_KEY = [PATIENT, EYE, VISIT]

RIGHT, LEFT = "OD", "OS"


# Tables that not every cohort has, by what they are of.
FURTHER = {
    "split": ("split.csv",),
    "retest": ("retest.csv",),
    "rates_truth": ("rates_truth.csv",),
    "detection": ("detection.csv", "detection_differences.csv", "time_to_detection.csv"),
    "trust": ("sbc.csv", "nuts.csv", "predictive_checks.csv"),
    "further_loss": ("further_loss.parquet",),
}


def td(n: int) -> list[str]:
    """Total deviation columns of ``n`` locations, dB."""
    return [f"td_{i}" for i in range(1, n + 1)]


def sens(n: int) -> list[str]:
    """Sensitivity columns of ``n`` locations, dB."""
    return [f"sens_{i}" for i in range(1, n + 1)]


def pd(n: int) -> list[str]:
    """Pattern deviation columns of ``n`` locations, dB."""
    return [f"pd_{i}" for i in range(1, n + 1)]
