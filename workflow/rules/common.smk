# What the rules share: which cohorts play which part, and how a config section reaches a command. Commands write
# their messages both to their log and to the terminal, so that a user sees an error without looking for it.

LEARNED = cfg.training_cohorts
REPORTED = [name for name, cohort in cfg.cohorts.items() if cohort.produce == "report"]
RETESTS = [name for name, cohort in cfg.cohorts.items() if cohort.retest]
SIMULATED = [name for name, cohort in cfg.cohorts.items() if cohort.simulate]
KNOWN = [
    name for name, cohort in cfg.cohorts.items() if cohort.truth or cohort.simulate
]
BENCHMARKS = [name for name in LEARNED if cfg.cohorts[name].benchmark]
# The models of the config, and those of its sweep: one a point of the parameter space, named by its folder.
SWEPT = {}
if cfg.sweep:
    SPACE = Paramspace(pd.DataFrame(cfg.sweep.points))
    SWEPT = {
        f"sweep/{folder}": point
        for folder, point in zip(SPACE.instance_patterns, cfg.sweep.points)
    }
MODELS = dict(cfg.models) | {
    name: cfg.sweep.options(cfg.models[cfg.sweep.model], point)
    for name, point in SWEPT.items()
}
# Those trained once more from further seeds, each in a folder of its own: its model and its seed.
AGAIN = {
    f"{name}/seed-{seed}": (name, seed)
    for name, model in cfg.models.items()
    for seed in model.seeds
}
MODELS |= {folder: cfg.models[name] for folder, (name, _) in AGAIN.items()}
# Tables that a kind of model has beside those of every model: each kind's rules name theirs, its figures read them.
KIND_TABLES = {}
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


def structure_of(wildcards):
    """The columns of a cohort's second view, as options."""
    return many("structure", cfg.cohorts[wildcards.cohort].structure)


def visits_of(cohorts):
    """The visits of some cohorts."""
    return [f"{RUN}/{cohort}/visits.parquet" for cohort in cohorts]


def splits_of(cohorts):
    """The splits of some training cohorts."""
    return [f"{RUN}/{cohort}/split.csv" for cohort in cohorts]


def structures(cohorts):
    """The columns of the nerve fibre layer that cohorts have, each once."""
    return list(
        dict.fromkeys(col for name in cohorts for col in cfg.cohorts[name].structure)
    )


def network_cohorts(wildcards):
    """The cohorts whose patients a model's networks learn from; none where it learns from images."""
    model = MODELS[name_and_fold(wildcards)[0]]
    if model.on_images:
        return []
    return model.train.cohorts or LEARNED


def held_out_cohorts(wildcards):
    """The cohorts whose patients a model is held against: those learned from, for a model of two views by itself."""
    model = MODELS[name_and_fold(wildcards)[0]]
    if model.on_images:
        return []
    cohorts = network_cohorts(wildcards) if model.kind == "two_view" else LEARNED
    return cohorts or list(cfg.cohorts)


def held_out_of(wildcards):
    """Their visits, and their splits, whose test patients are taken; none for a model of images."""
    cohorts = held_out_cohorts(wildcards)
    return {
        "visits": visits_of(cohorts),
        "splits": splits_of(cohorts) if LEARNED else [],
    }


def held_out_options(wildcards):
    """The same as options of a command, with the cohorts' columns of the nerve fibre layer."""
    files = held_out_of(wildcards) | {
        "structure": structures(held_out_cohorts(wildcards))
    }
    return " ".join(many(flag, some) for flag, some in files.items())


def one_of(models):
    """What a wildcard of these models matches: each, and those of its folds."""
    return f"({'|'.join(map(re.escape, models)) or 'none'})(/fold-[0-9]+)?"


TRAINED = one_of([name for name, model in MODELS.items() if not model.folder])
SERIES = one_of(
    [
        name
        for name, model in cfg.models.items()
        if model.kind == "vae" and not model.folder
    ]
)
SINGLE = one_of([name for name, model in cfg.models.items() if model.kind != "vae"])
GIVEN = one_of([name for name, model in cfg.models.items() if model.folder])


def without_their_patients(model):
    """Folders of the models that score training cohorts, each on patients it never saw: one a fold, or the only one."""
    whole = MODELS[model].folder or MODELS[model].on_images
    folds = () if whole else range(1, cfg.split.folds + 1)
    return [f"{RUN}/models/{model}/fold-{i}" for i in folds] or [
        f"{RUN}/models/{model}"
    ]


def scorers(wildcards):
    """Folders of the models that score a cohort."""
    return (
        without_their_patients(cfg.trajectory.model)
        if wildcards.cohort in LEARNED
        else [MODEL]
    )


def cards_of(folders):
    """The models' cards, written last of their files."""
    return [f"{folder}/card.json" for folder in folders]


def seed_of(wildcards):
    """The seed of a model: the run's, its own in the sweep, or a further one."""
    name = name_and_fold(wildcards)[0]
    if name in AGAIN:
        return AGAIN[name][1]
    return SWEPT[name].seed if name in SWEPT else cfg.seed


def name_in_config(wildcards):
    """The name of a model, whatever fold it leaves out and whatever seed it is trained from."""
    name = name_and_fold(wildcards)[0]
    return AGAIN[name][0] if name in AGAIN else name


def name_and_fold(wildcards):
    """A model's name in the config, and the fold it leaves out: "vae/fold-2" is ("vae", 2), "vae" is ("vae", 0)."""
    name, _, fold = wildcards.model.partition("/fold-")
    return name, int(fold or 0)


def true_fields_of(wildcards):
    """The true fields of a cohort whose truth is known."""
    cohort = cfg.cohorts[wildcards.cohort]
    if cohort.simulate:
        return [f"{RUN}/{wildcards.cohort}/source/courses.parquet"]
    return [cohort.truth] if cohort.truth else []
