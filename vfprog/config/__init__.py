"""The config file as types: every key, its meaning, unit and allowed range, checked before any job starts.

``config/schema.json`` is generated from these classes (``vfprog schema``) for editors; a test keeps it in step.
"""

from vfprog.config.cohorts import (
    CohortConfig,
    ColumnMap,
    Conditions,
    Download,
    Join,
    Reliability,
    Simulation,
    TrueFields,
    VisitShift,
)
from vfprog.config.models import (
    MODEL_FILES,
    ArchetypesConfig,
    FieldConfig,
    GuidedConfig,
    LatentVariableConfig,
    ModelConfig,
    NetworkConfig,
    SearchConfig,
    TrainConfig,
    TwoViewConfig,
    VaeConfig,
    parse_model,
)
from vfprog.config.run import (
    Config,
    EvaluationConfig,
    ForecastConfig,
    PlotsConfig,
    RatesConfig,
    ReportConfig,
    SplitConfig,
    TrajectoryConfig,
    TrustConfig,
    check_sources,
    json_schema,
    parse_config,
    read_config,
)
from vfprog.config.section import (
    Section,
)
from vfprog.config.sweep import SweepConfig, Swept

__all__ = [
    "MODEL_FILES",
    "ArchetypesConfig",
    "CohortConfig",
    "ColumnMap",
    "Conditions",
    "Config",
    "Download",
    "EvaluationConfig",
    "FieldConfig",
    "ForecastConfig",
    "GuidedConfig",
    "Join",
    "LatentVariableConfig",
    "ModelConfig",
    "NetworkConfig",
    "PlotsConfig",
    "RatesConfig",
    "Reliability",
    "ReportConfig",
    "SearchConfig",
    "Section",
    "Simulation",
    "SplitConfig",
    "SweepConfig",
    "Swept",
    "TrainConfig",
    "TrajectoryConfig",
    "TrueFields",
    "TrustConfig",
    "TwoViewConfig",
    "VaeConfig",
    "VisitShift",
    "check_sources",
    "json_schema",
    "parse_config",
    "parse_model",
    "read_config",
]
