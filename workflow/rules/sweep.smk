# One model over beta, latent size and seed: its models are trained and assessed by the rules of all models.

SWEEP = [f"{RUN}/models/sweep.csv"] if cfg.sweep else []


rule sweep:
    input:
        [f"{without_their_patients(name)[0]}/assessment.json" for name in SWEPT],
    output:
        f"{RUN}/models/sweep.csv",
    log:
        f"{RUN}/logs/sweep.log",
    params:
        code=code_digest("sweep"),
    shell:
        "vfprog sweep {output} {input} 2>&1 | tee {log} >&2"
