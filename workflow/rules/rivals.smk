# Outside the default graph: `make rivals` makes .venv-rivals, then asks for the rule `rivals`.
PYTHON_OF_RIVALS = ".venv-rivals/bin/python"


rule rivals:
    input:
        cells("results/runs/{task}/seed{seed}/evaluation/{rival}", rival=config["rivals"]),


rule train_rival:
    input:
        code("train_rival"),
        data="data/processed/{task}",
    output:
        directory("results/runs/{task}/seed{seed}/rivals/{rival}"),
    log:
        "results/logs/train_rival/{task}-seed{seed}-{rival}.log",
    threads: PARAMS["base_training"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(1440),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.environment.max_episode_steps",
            "tasks.{task}.return_scale",
            "base_training.threads",
            "rivals.{rival}.steps",
            "run.device",
        ),
    message:
        "train_rival: {wildcards.task}, seed {wildcards.seed}, {wildcards.rival}"
    shell:
        f"{PYTHON_OF_RIVALS} src/train_rival.py"
        " --task {wildcards.task} --seed {wildcards.seed} --rival {wildcards.rival} > {log} 2>&1"


rule evaluate_rival:
    input:
        code("evaluate_rival"),
        data="data/processed/{task}",
        rival="results/runs/{task}/seed{seed}/rivals/{rival}",
    output:
        directory("results/runs/{task}/seed{seed}/evaluation/{rival}"),
    log:
        "results/logs/evaluate_rival/{task}-seed{seed}-{rival}.log",
    threads: PARAMS["evaluate"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.environment",
            "rivals.{rival}",
            "evaluate",
            "run.device",
        ),
    message:
        "evaluate_rival: {wildcards.task}, seed {wildcards.seed}, {wildcards.rival}"
    shell:
        f"{PYTHON_OF_RIVALS} src/evaluate_rival.py"
        " --task {wildcards.task} --seed {wildcards.seed} --rival {wildcards.rival} > {log} 2>&1"
