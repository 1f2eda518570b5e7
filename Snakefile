"""vfprog: from raw visual-field exports to rates, forecasts and reports, for every cohort of a config.

snakemake --cores 8                              config/config.yaml
snakemake --cores 8 --configfile my.yaml         another config, instead of it
"""

import json
import re
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir)))

import pandas as pd
from snakemake.utils import Paramspace

from vfprog.columns import FURTHER
from vfprog.config import MODEL_FILES, check_sources, parse_config
from vfprog.errors import UserError
from vfprog.provenance import code_digest

# A config of the user's own replaces the default one; Snakemake would merge the two.
if not config.keys() & {"cohorts", "models"}:

    configfile: "config/config.yaml"


try:
    cfg = parse_config(dict(config))
    check_sources(cfg)
except UserError as error:
    raise WorkflowError(str(error))

RUN = f"results/{cfg.run}"
MODEL = f"{RUN}/models/{cfg.trajectory.model}"


include: "workflow/rules/common.smk"


wildcard_constraints:
    cohort="|".join(cfg.cohorts) or "none",
    model=one_of(MODELS),


include: "workflow/rules/preprocess.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/assess.smk"
include: "workflow/rules/fit.smk"
include: "workflow/rules/forecast.smk"
include: "workflow/rules/detect.smk"
include: "workflow/rules/trust.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/archetypes.smk"
include: "workflow/rules/bottleneck.smk"
include: "workflow/rules/guided.smk"
include: "workflow/rules/sweep.smk"
include: "workflow/rules/models.smk"


rule all:
    default_target: True
    input:
        f"{RUN}/models.csv",
        f"{RUN}/models/report/index.html",
        expand(f"{RUN}/{{cohort}}/report/index.html", cohort=REPORTED),
        expand(f"{RUN}/{{cohort}}/retest.csv", cohort=RETESTS),
        expand(f"{RUN}/{{cohort}}/detection.csv", cohort=DETECTED),
