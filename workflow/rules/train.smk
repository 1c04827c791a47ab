rule train_transformer:
    input:
        code("train_transformer"),
        data="data/processed/{task}",
    output:
        directory("results/runs/{task}/seed{seed}/transformer"),
    log:
        "results/logs/train_transformer/{task}-seed{seed}.log",
    priority: 1  # the longest first, so that none is left to the end
    threads: PARAMS["train_transformer"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.horizon",
            "tasks.{task}.history",
            "tasks.{task}.stride",
            "tasks.{task}.return_scale",
            "tasks.{task}.training",
            "base_training",
            "train_transformer",
            "run.device",
        ),
    message:
        "train_transformer: {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python src/train_transformer.py --task {wildcards.task} --seed {wildcards.seed} > {log} 2>&1"


rule train_diffusion:
    input:
        code("train_diffusion"),
        data="data/processed/{task}",
    output:
        directory("results/runs/{task}/seed{seed}/diffusion"),
    log:
        "results/logs/train_diffusion/{task}-seed{seed}.log",
    priority: 1  # the longest first, so that none is left to the end
    threads: PARAMS["train_diffusion"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.horizon",
            "tasks.{task}.stride",
            "tasks.{task}.return_scale",
            "tasks.{task}.training",
            "base_training",
            "train_diffusion",
            "run.device",
        ),
    message:
        "train_diffusion: {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python src/train_diffusion.py --task {wildcards.task} --seed {wildcards.seed} > {log} 2>&1"


rule train_inverse_dynamics:
    input:
        code("train_inverse_dynamics"),
        data="data/processed/{task}",
    output:
        directory("results/runs/{task}/seed{seed}/inverse_dynamics"),
    log:
        "results/logs/train_inverse_dynamics/{task}-seed{seed}.log",
    threads: PARAMS["train_inverse_dynamics"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.stride",
            "tasks.{task}.training",
            "base_training",
            "train_inverse_dynamics",
            "run.device",
        ),
    message:
        "train_inverse_dynamics: {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python src/train_inverse_dynamics.py --task {wildcards.task} --seed {wildcards.seed} > {log} 2>&1"


rule train_value:
    input:
        code("train_value"),
        data="data/processed/{task}",
    output:
        directory("results/runs/{task}/seed{seed}/value"),
    log:
        "results/logs/train_value/{task}-seed{seed}.log",
    threads: PARAMS["train_value"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.return_scale",
            "tasks.{task}.training",
            "base_training",
            "train_value",
            "run.device",
        ),
    message:
        "train_value: {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python src/train_value.py --task {wildcards.task} --seed {wildcards.seed} > {log} 2>&1"


rule train_policy:
    input:
        code("train_policy"),
        data="data/processed/{task}",
    output:
        directory("results/runs/{task}/seed{seed}/policies/{policy}"),
    log:
        "results/logs/train_policy/{task}-seed{seed}-{policy}.log",
    threads: PARAMS["train_policy"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.return_scale",
            "tasks.{task}.training",
            "base_training",
            "train_policy",
            "base_policy",
            "policies.{policy}",
            "run.device",
        ),
    message:
        "train_policy: {wildcards.task}, seed {wildcards.seed}, {wildcards.policy}"
    shell:
        "python src/train_policy.py --task {wildcards.task} --seed {wildcards.seed} --policy {wildcards.policy} > {log} 2>&1"
