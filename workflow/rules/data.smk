rule fetch_dataset:
    input:
        code("fetch_dataset"),
        actors=files("data/behaviour"),
        external=lambda wildcards: files(f"data/external/{wildcards.task}"),
    output:
        directory("data/raw/{task}"),
    log:
        "results/logs/fetch_dataset/{task}.log",
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        settings(
            "tasks.{task}.environment",
            "tasks.{task}.source",
            "tasks.{task}.reference_scores",
            "fetch_dataset",
        ),
    message:
        "fetch_dataset: {wildcards.task}"
    shell:
        "python src/fetch_dataset.py --task {wildcards.task} > {log} 2>&1"


rule prepare_dataset:
    input:
        code("prepare_dataset"),
        raw="data/raw/{task}",
    output:
        directory("data/processed/{task}"),
    log:
        "results/logs/prepare_dataset/{task}.log",
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        settings("tasks.{task}.environment", "prepare_dataset"),
    message:
        "prepare_dataset: {wildcards.task}"
    shell:
        "python src/prepare_dataset.py --task {wildcards.task} > {log} 2>&1"
