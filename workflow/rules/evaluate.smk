rule evaluate:
    input:
        code("evaluate"),
        data="data/processed/{task}",
        models=models(),
        tuning="results/runs/{task}/seed{seed}/tuning/{planner}",
    output:
        directory("results/runs/{task}/seed{seed}/evaluation/{planner}"),
    log:
        "results/logs/evaluate/{task}-seed{seed}-{planner}.log",
    threads: PARAMS["evaluate"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.environment",
            "base_planner",
            "planners.{planner}",
            "planning",
            "evaluate",
            "run.device",
        ),
    message:
        "evaluate: {wildcards.task}, seed {wildcards.seed}, {wildcards.planner}"
    shell:
        "python src/evaluate.py --task {wildcards.task} --seed {wildcards.seed} --planner {wildcards.planner} > {log} 2>&1"


rule evaluate_policy:
    input:
        code("evaluate_policy"),
        data="data/processed/{task}",
        policy="results/runs/{task}/seed{seed}/policies/{policy}",
        tuning="results/runs/{task}/seed{seed}/policy_tuning/{policy}",
    output:
        directory("results/runs/{task}/seed{seed}/evaluation/{policy}"),
    log:
        "results/logs/evaluate_policy/{task}-seed{seed}-{policy}.log",
    threads: PARAMS["evaluate"]["threads"]
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
            "evaluate",
            "run.device",
        ),
    message:
        "evaluate_policy: {wildcards.task}, seed {wildcards.seed}, {wildcards.policy}"
    shell:
        "python src/evaluate_policy.py --task {wildcards.task} --seed {wildcards.seed} --policy {wildcards.policy} > {log} 2>&1"


rule evaluate_training:
    input:
        code("evaluate_training"),
        data="data/processed/{task}",
        models=models(),
        tuning="results/runs/{task}/seed{seed}/tuning/{planner}",
    output:
        directory("results/runs/{task}/seed{seed}/training_scores/{planner}"),
    log:
        "results/logs/evaluate_training/{task}-seed{seed}-{planner}.log",
    threads: PARAMS["evaluate"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.environment",
            "base_planner",
            "planners.{planner}",
            "planning",
            "base_training.keep_at",
            "evaluate.first_environment_seed",
            "evaluate.batch_size",
            "evaluate.threads",
            "evaluate_training.episodes",
            "run.device",
        ),
    message:
        "evaluate_training: {wildcards.task}, seed {wildcards.seed}, {wildcards.planner}"
    shell:
        "python src/evaluate_training.py --task {wildcards.task} --seed {wildcards.seed} --planner {wildcards.planner} > {log} 2>&1"


rule evaluate_plans:
    input:
        code("evaluate_plans"),
        data="data/processed/{task}",
        models=models(),
        tuning=tunings(),
    output:
        directory("results/runs/{task}/seed{seed}/diagnosis"),
    log:
        "results/logs/evaluate_plans/{task}-seed{seed}.log",
    threads: PARAMS["evaluate"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus_per_job(),
    params:
        settings(
            "base_planner",
            "planners",
            "run.planners",
            "planning",
            "evaluate.threads",
            "run.device",
        ),
    message:
        "evaluate_plans: {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python src/evaluate_plans.py --task {wildcards.task} --seed {wildcards.seed} > {log} 2>&1"


# Takes every core of the scheduler, so that nothing runs beside it, or a node of a cluster (slurm_extra in
# profiles/slurm); torch's own threads are measure_latency.threads.
rule measure_latency:
    input:
        code("measure_latency"),
        data="data/processed/{task}",
        models=models(),
        policies=policies(),
        tuning=tunings() + policy_tunings(),
    output:
        directory("results/runs/{task}/seed{seed}/latency"),
    log:
        "results/logs/measure_latency/{task}-seed{seed}.log",
    threads: whole_machine(PARAMS["measure_latency"]["threads"])
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus_per_job(),
    params:
        settings(
            "base_planner",
            "planners",
            "base_policy",
            "policies",
            "run.planners",
            "run.policies",
            "planning",
            "measure_latency",
            "run.device",
        ),
    message:
        "measure_latency: {wildcards.task}, seed {wildcards.seed}"
    shell:
        "python src/measure_latency.py --task {wildcards.task} --seed {wildcards.seed} > {log} 2>&1"


# Has the machine to itself likewise.
rule measure_experiment:
    input:
        code("measure_experiment"),
        data="data/processed/{task}",
        models=models(seed=FIRST_SEED),
        tuning=tunings(seed=FIRST_SEED),
    output:
        directory("results/runs/{task}/experiment_latency/{experiment}"),
    log:
        "results/logs/measure_experiment/{task}-{experiment}.log",
    threads: whole_machine(PARAMS["measure_latency"]["threads"])
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus_per_job(),
    params:
        settings(
            "base_planner",
            "planners",
            "planning",
            "experiments.{experiment}",
            "measure_latency.repetitions",
            "measure_latency.warmup",
            "measure_latency.threads",
            "run.device",
        ),
    message:
        "measure_experiment: {wildcards.task}, {wildcards.experiment}"
    shell:
        "python src/measure_experiment.py --task {wildcards.task} --experiment {wildcards.experiment} > {log} 2>&1"


# Has the machine to itself likewise.
rule measure_scaling:
    input:
        code("measure_scaling"),
        data="data/processed/{task}",
    output:
        directory("results/runs/{task}/scaling"),
    log:
        "results/logs/measure_scaling/{task}.log",
    threads: whole_machine(PARAMS["measure_scaling"]["threads"])
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.horizon",
            "tasks.{task}.history",
            "tasks.{task}.training",
            "train_transformer",
            "train_diffusion",
            "train_inverse_dynamics",
            "train_value",
            "base_planner",
            "planners",
            "planning",
            "tune.grid",
            "measure_scaling.planners",
            "measure_scaling.horizons",
            "measure_scaling.refine_steps",
            "measure_scaling.candidates",
            "measure_scaling.batches",
            "measure_scaling.widths",
            "measure_scaling.repetitions",
            "measure_scaling.threads",
            "run.device",
        ),
    message:
        "measure_scaling: {wildcards.task}"
    shell:
        "python src/measure_scaling.py --task {wildcards.task} > {log} 2>&1"
