# With the models of the first seed; what is chosen holds for all of them.
rule tune:
    input:
        code("tune", "datasets", "diffusion", "environments", "evaluation", "models", "planning"),
        data="data/processed/{task}",
        models=models(seed=FIRST_SEED),
    output:
        directory("results/runs/{task}/tuning/{planner}"),
    log:
        "results/logs/tune/{task}-{planner}.log",
    threads: PARAMS["tune"]["threads"]
    resources:
        mem_mb=2000,
        runtime=240,
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.environment",
            "base_planner",
            "planners.{planner}",
            "planning",
            "tune",
            "run.device",
        ),
    shell:
        "python src/tune.py --task {wildcards.task} --planner {wildcards.planner} > {log} 2>&1"


rule tune_policy:
    input:
        code("tune_policy", "datasets", "diffusion", "environments", "evaluation", "models", "planning"),
        data="data/processed/{task}",
        policy=f"results/runs/{{task}}/seed{FIRST_SEED}/policies/{{policy}}",
    output:
        directory("results/runs/{task}/tuning/{policy}"),
    log:
        "results/logs/tune_policy/{task}-{policy}.log",
    threads: PARAMS["tune"]["threads"]
    resources:
        mem_mb=2000,
        runtime=60,
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.environment",
            "base_policy",
            "policies.{policy}",
            "planning",
            "tune",
            "run.device",
        ),
    shell:
        "python src/tune_policy.py --task {wildcards.task} --policy {wildcards.policy} > {log} 2>&1"
