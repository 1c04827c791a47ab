rule evaluate_experiment:
    input:
        code("evaluate_experiment"),
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


rule finetune:
    input:
        code("finetune"),
        data="data/processed/{task}",
        models=models(),
        tuning="results/runs/{task}/seed{seed}/tuning/{planner}",
    output:
        directory("results/runs/{task}/seed{seed}/finetuning/{planner}"),
    log:
        "results/logs/finetune/{task}-seed{seed}-{planner}.log",
    threads: PARAMS["finetune"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(720),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.environment",
            "tasks.{task}.horizon",
            "tasks.{task}.history",
            "tasks.{task}.stride",
            "tasks.{task}.return_scale",
            "tasks.{task}.training",
            "base_planner",
            "planners.{planner}",
            "planning",
            "base_training",
            "train_transformer",
            "train_diffusion",
            "train_inverse_dynamics",
            "train_value",
            "evaluate.first_environment_seed",
            "evaluate.batch_size",
            "finetune.variants",
            "finetune.rounds",
            "finetune.episodes",
            "finetune.exploration",
            "finetune.steps",
            "finetune.evaluation_episodes",
            "finetune.first_environment_seed",
            "finetune.threads",
            "run.device",
        ),
    message:
        "finetune: {wildcards.task}, seed {wildcards.seed}, {wildcards.planner}"
    shell:
        "python src/finetune.py --task {wildcards.task} --seed {wildcards.seed} --planner {wildcards.planner} > {log} 2>&1"
