# What the rules share: which cohorts play which part, and how a config section reaches a command. Commands write
# their messages both to their log and to the terminal, so that a user sees an error without looking for it.

LEARNED = cfg.training_cohorts
RETESTS = [name for name, cohort in cfg.cohorts.items() if cohort.retest]
SIMULATED = [name for name, cohort in cfg.cohorts.items() if cohort.simulate]
FETCHED = [name for name, cohort in cfg.cohorts.items() if cohort.download]


def sources(wildcards):
    """The files a cohort is read from: its own, fetched, or simulated."""
    cohort = cfg.cohorts[wildcards.cohort]
    if cohort.simulate:
        return [f"{RUN}/{wildcards.cohort}/source/fields.csv"]
    if cohort.download:
        return [f"{RUN}/{wildcards.cohort}/source/{cohort.download.file_name}"]
    return cohort.paths


def joined(wildcards):
    """The further table whose columns are added, where a cohort has one."""
    join = cfg.cohorts[wildcards.cohort].join
    return [join.path] if join else []


def split_of(wildcards):
    """A training cohort's split, for rules that must not see its other patients."""
    return (
        [f"{RUN}/{wildcards.cohort}/split.csv"] if wildcards.cohort in LEARNED else []
    )


def json_of(**sections):
    """Config sections as one JSON text, passed whole to a command."""
    return json.dumps(
        {name: section.model_dump(mode="json") for name, section in sections.items()}
    )


def many(flag, files):
    """A repeated option, quoted for the shell: --flag file --flag file."""
    return " ".join(f"--{flag} {shlex.quote(str(file))}" for file in files)
