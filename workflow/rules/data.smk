rule fetch_dataset:
    input:
        code("fetch_dataset", "collecting", "environments"),
        actors=files("data/behaviour"),
        external=lambda wildcards: files(f"data/external/{wildcards.task}"),
    output:
        directory("data/raw/{task}"),
    log:
        "results/logs/fetch_dataset/{task}.log",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings(
            "tasks.{task}.environment",
            "tasks.{task}.source",
            "tasks.{task}.reference_scores",
            "fetch_dataset",
        ),
    shell:
        "python src/fetch_dataset.py --task {wildcards.task} > {log} 2>&1"


rule prepare_dataset:
    input:
        code("prepare_dataset", "collecting", "datasets", "environments"),
        raw="data/raw/{task}",
    output:
        directory("data/processed/{task}"),
    log:
        "results/logs/prepare_dataset/{task}.log",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings("tasks.{task}.environment", "prepare_dataset"),
    shell:
        "python src/prepare_dataset.py --task {wildcards.task} > {log} 2>&1"


# Outside the default graph: `snakemake train_behaviour --cores 1` and nothing else runs it.
# The actors are in git, so they are no declared output: Snakemake neither deletes nor makes them on its own.
rule train_behaviour:
    input:
        code("train_behaviour", "collecting", "environments"),
    log:
        "results/logs/train_behaviour.log",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=720,
    params:
        settings("train_behaviour"),
    shell:
        "python src/train_behaviour.py > {log} 2>&1"
