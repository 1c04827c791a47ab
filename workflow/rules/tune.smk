rule tune:
    input:
        code("tune"),
        data="data/processed/{task}",
        models=models(),
    output:
        directory("results/runs/{task}/seed{seed}/tuning/{planner}"),
    log:
        "results/logs/tune/{task}-seed{seed}-{planner}.log",
    threads: PARAMS["tune"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
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
    message:
        "tune: {wildcards.task}, seed {wildcards.seed}, {wildcards.planner}"
    shell:
        "python src/tune.py --task {wildcards.task} --seed {wildcards.seed} --planner {wildcards.planner} > {log} 2>&1"


rule tune_policy:
    input:
        code("tune_policy"),
        data="data/processed/{task}",
        policy="results/runs/{task}/seed{seed}/policies/{policy}",
    output:
        directory("results/runs/{task}/seed{seed}/policy_tuning/{policy}"),
    log:
        "results/logs/tune_policy/{task}-seed{seed}-{policy}.log",
    threads: PARAMS["tune"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
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
    message:
        "tune_policy: {wildcards.task}, seed {wildcards.seed}, {wildcards.policy}"
    shell:
        "python src/tune_policy.py --task {wildcards.task} --seed {wildcards.seed} --policy {wildcards.policy} > {log} 2>&1"
