# From a data set's own layout to packed pixels and splits.
#
# Drawing and packing take every core for a short time, and come before pretraining, which takes one for long.

from evalkit import workflow as facts
from evalkit.fingerprints import code_hash


rule draw_phantoms:
    output:
        layout.root / "phantoms/{dataset}/{folder}/phantom.json",
    log:
        layout.root / "logs/phantoms/{dataset}-{folder}.log",
    priority: 20
    threads: facts.REAL_CORES
    params:
        phantom=lambda wildcards: facts.phantom_arguments(study, wildcards.dataset),
        code=code_hash("evalkit.phantom"),
    shell:
        "{PYTHON} -m evalkit.phantom write --root $(dirname {output:q}) {params.phantom} --workers {threads}"
        " > {log:q} 2>&1"


rule read_dataset:
    input:
        lambda wildcards: facts.phantom_mark(study, wildcards.dataset),
    output:
        manifest=layout.manifest("{dataset}"),
        report=layout.manifest("{dataset}").with_suffix(".json"),
    log:
        layout.root / "logs/datasets/{dataset}.log",
    priority: 20
    params:
        entry=lambda wildcards: facts.dataset_hash(study, wildcards.dataset),
        files=lambda wildcards: facts.dataset_state(study, wildcards.dataset),
        code=code_hash("evalkit.datasets"),
    shell:
        "{PYTHON} -m evalkit.datasets --study {study.source:q} --dataset {wildcards.dataset} > {log:q} 2>&1"


rule pack:
    input:
        layout.manifest("{dataset}"),
    output:
        layout.packed("{dataset}", "{size}") / "packing.json",
    log:
        layout.root / "logs/packing/{dataset}-{size}.log",
    priority: 20
    threads: facts.REAL_CORES
    params:
        entry=lambda wildcards: facts.dataset_hash(study, wildcards.dataset),
        code=code_hash("evalkit.packing"),
    shell:
        "{PYTHON} -m evalkit.packing --study {study.source:q} --dataset {wildcards.dataset} --size {wildcards.size}"
        " --workers {threads} > {log:q} 2>&1"


# For detection: at the images' own aspect ratio, with their boxes.
rule pack_ragged:
    input:
        layout.manifest("{dataset}"),
    output:
        layout.ragged("{dataset}", "{size}") / "packing.json",
    log:
        layout.root / "logs/packing/{dataset}-ragged-{size}.log",
    priority: 20
    threads: facts.REAL_CORES
    params:
        entry=lambda wildcards: facts.dataset_hash(study, wildcards.dataset),
        code=code_hash("evalkit.packing.ragged"),
    shell:
        "{PYTHON} -m evalkit.packing --study {study.source:q} --dataset {wildcards.dataset} --longest {wildcards.size}"
        " --workers {threads} > {log:q} 2>&1"


rule split:
    input:
        lambda wildcards: facts.divided_files(study, wildcards.evaluation),
    output:
        splits=layout.splits("{evaluation}"),
        report=layout.splits("{evaluation}").with_suffix(".json"),
    log:
        layout.root / "logs/splits/{evaluation}.log",
    params:
        design=lambda wildcards: facts.split_hash(study, wildcards.evaluation),
        code=code_hash("evalkit.splits"),
    shell:
        "{PYTHON} -m evalkit.splits --study {study.source:q} --evaluation {wildcards.evaluation} > {log:q} 2>&1"


# The copies that bring every class of an evaluation's training images to the size of the largest.
rule balance:
    input:
        data=lambda wildcards: facts.dataset_files(study, study.evaluation(wildcards.evaluation).dataset),
        splits=layout.splits("{evaluation}"),
        report=layout.splits("{evaluation}").with_suffix(".json"),
    output:
        [layout.balanced("{evaluation}") / name for name in facts.BALANCED_FILES],
    log:
        layout.root / "logs/balancing/{evaluation}.log",
    threads: facts.REAL_CORES
    params:
        bounds=lambda wildcards: facts.balancing_hash(study, wildcards.evaluation),
        code=code_hash("evalkit.balancing.making"),
    shell:
        "{PYTHON} -m evalkit.balancing --study {study.source:q} --evaluation {wildcards.evaluation} --workers {threads}"
        " > {log:q} 2>&1"
