rule film:
    input:
        code("film"),
        models=models(seed=FIRST_SEED),
        tuning=tunings(seed=FIRST_SEED),
        latency=f"results/runs/{{task}}/seed{FIRST_SEED}/latency",
    output:
        directory("results/runs/{task}/film"),
    log:
        "results/logs/film/{task}.log",
    threads: PARAMS["film"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
        gpu=gpus_per_job(),
    params:
        settings(
            "tasks.{task}.environment",
            "base_planner",
            "planners",
            "planning",
            "evaluate.first_environment_seed",
            "run.planners",
            "film.planners",
            "film.seconds",
            "film.threads",
            "run.device",
        ),
    message:
        "film: {wildcards.task}"
    shell:
        "python src/film.py --task {wildcards.task} > {log} 2>&1"


rule make_report:
    input:
        code("make_report"),
        data=cells("data/processed/{task}"),
        models=cells(*models(), *policies()),
        evaluations=cells(
            "results/runs/{task}/seed{seed}/evaluation/{planner}",
            "results/runs/{task}/seed{seed}/evaluation/{policy}",
        ),
        training_scores=cells(
            "results/runs/{task}/seed{seed}/training_scores/{planner}",
            planner=config["evaluate_training"]["planners"],
        ),
        tunings=cells(*tunings(), *policy_tunings()),
        diagnoses=cells("results/runs/{task}/seed{seed}/diagnosis"),
        experiments=cells(
            "results/runs/{task}/seed{seed}/experiments/{experiment}",
            task=config["run"]["experiment_tasks"],
        ),
        finetunings=cells(
            "results/runs/{task}/seed{seed}/finetuning/{planner}",
            task=config["finetune"]["tasks"],
            planner=config["finetune"]["planners"],
        ),
        latencies=cells("results/runs/{task}/seed{seed}/latency"),
        experiment_latencies=cells(
            "results/runs/{task}/experiment_latency/{experiment}",
            task=config["run"]["experiment_tasks"],
        ),
        scalings=cells("results/runs/{task}/scaling", task=config["measure_scaling"]["tasks"]),
        films=cells("results/runs/{task}/film"),
    output:
        report(
            directory("results/report"),
            patterns=[
                "{name}.html",
                "{name}.csv",
                *(f"figures/{{name}}.{kind}" for kind in ("gif", "png", "svg")),
            ],
            caption="../report/results.rst",
            category=lambda wildcards: kind_and_task(wildcards.name)[1],
            labels=lambda wildcards: {"shows": kind_and_task(wildcards.name)[0].replace("_", " ")},
        ),
    log:
        "results/logs/make_report.log",
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        settings(
            "run",
            "tasks",
            "planners",
            "policies",
            "rivals",
            "experiments",
            "evaluate_training",
            "finetune",
            "measure_scaling.tasks",
            "make_report",
        ),
    message:
        "make_report"
    shell:
        "python src/make_report.py > {log} 2>&1"
