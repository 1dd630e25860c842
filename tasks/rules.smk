# What the jobs of all tasks share; see the rules beside each task.

RETRY_FAILED = str(config.get("retry_failed", False)).lower() == "true"
# Not a parameter: the jobs that have something to retry are told by `attempt`, and no other may run for it.
RETRY_OPTION = "--retry-failed" if RETRY_FAILED else ""
# The arguments of a job; they follow the task's command.
JOB = (
    "--study {study.source:q} --evaluation {wildcards.evaluation} --setting {wildcards.setting:q}"
    " --backbone {wildcards.backbone} --repeat {wildcards.span} --attempt {params.attempt} {RETRY_OPTION}"
    " --record {output:q} > {log:q} 2>&1"
)


include: "classification/rules.smk"
include: "detection/rules.smk"
include: "inversion/rules.smk"
