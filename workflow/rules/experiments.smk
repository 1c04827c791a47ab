rule evaluate_experiment:
    input:
        code(
            "evaluate_experiment",
            "datasets",
            "diffusion",
            "environments",
            "evaluation",
            "models",
            "planning",
        ),
        data="data/processed/{task}",
        models=models(),
        tuning=tunings(),
    output:
        directory("results/runs/{task}/seed{seed}/experiments/{experiment}"),
    log:
        "results/logs/evaluate_experiment/{task}-seed{seed}-{experiment}.log",
    threads: PARAMS["evaluate"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(720),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.environment",
            "base_planner",
            "planners",
            "planning",
            "experiments.{experiment}",
            "evaluate.first_environment_seed",
            "evaluate.batch_size",
            "evaluate.threads",
            "run.device",
        ),
    message:
        "evaluate_experiment: {wildcards.task}, seed {wildcards.seed}, {wildcards.experiment}"
    shell:
        "python src/evaluate_experiment.py"
        " --task {wildcards.task} --seed {wildcards.seed} --experiment {wildcards.experiment} > {log} 2>&1"
