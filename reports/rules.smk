# From predictions to tidy rows, renderings and the copies in reports/.

from pathlib import Path

from evalkit import workflow as facts
from evalkit.fingerprints import code_hash, file_sha256

TEMPLATES = [file_sha256(path) for path in sorted(Path(workflow.basedir, "reports/captions").glob("*.j2"))]
RENDERINGS = facts.REPORT_ENDINGS[1:]


rule compare:
    input:
        lambda wildcards: facts.table_inputs(study, wildcards.table),
    output:
        rows=layout.report("{table}.csv"),
        context=layout.report("{table}.json"),
    log:
        layout.root / "logs/tables/{table}-compare.log",
    params:
        table=lambda wildcards: facts.table_hash(study, wildcards.table),
        code=code_hash("evalkit.comparisons"),
    shell:
        "{PYTHON} -m evalkit.comparisons --study {study.source:q} --table {wildcards.table} > {log:q} 2>&1"


rule render:
    input:
        rows=layout.report("{table}.csv"),
        context=layout.report("{table}.json"),
    output:
        [layout.report("{table}" + ending) for ending in RENDERINGS],
    log:
        layout.root / "logs/tables/{table}-render.log",
    params:
        code=code_hash("reports.tables"),
        templates=TEMPLATES,
    shell:
        "{PYTHON} -m reports.tables {input.rows:q} > {log:q} 2>&1"


# Every p-value of the study's tables for which R has the test, computed again there; fails where they disagree.
rule crosscheck:
    input:
        [layout.report(f"{table}.csv") for table in study.file.tables],
    output:
        layout.report("crosscheck.csv"),
    log:
        layout.root / "logs/crosscheck.log",
    params:
        code=code_hash("evalkit.comparisons.crosscheck"),
    shell:
        "{PYTHON} -m evalkit.comparisons.crosscheck --study {study.source:q} > {log:q} 2>&1"


rule publish_crosscheck:
    input:
        layout.report("crosscheck.csv"),
    output:
        "reports/crosscheck.csv",
    params:
        study=study.name,
    shell:
        "cp {input:q} {output:q}"


rule count:
    input:
        lambda wildcards: facts.counted_files(study, wildcards.tally),
    output:
        rows=layout.report("{tally}.csv"),
        context=layout.report("{tally}.json"),
    log:
        layout.root / "logs/tables/{tally}-count.log",
    params:
        table=lambda wildcards: facts.counts_hash(study, wildcards.tally),
        code=code_hash("evalkit.counting.tables"),
    shell:
        "{PYTHON} -m evalkit.counting --study {study.source:q} --table {wildcards.tally} > {log:q} 2>&1"


rule render_counts:
    input:
        rows=layout.report("{tally}.csv"),
        context=layout.report("{tally}.json"),
    output:
        [layout.report("{tally}" + ending) for ending in RENDERINGS],
    log:
        layout.root / "logs/tables/{tally}-render.log",
    params:
        code=code_hash("reports.counts"),
        templates=TEMPLATES,
    shell:
        "{PYTHON} -m reports.counts {input.rows:q} > {log:q} 2>&1"


rule chart:
    input:
        lambda wildcards: facts.chart_inputs(study, wildcards.chart),
    output:
        rows=layout.report("{chart}.csv"),
        facts=layout.report("{chart}.json"),
    log:
        layout.root / "logs/figures/{chart}-compute.log",
    params:
        figure=lambda wildcards: facts.chart_hash(study, wildcards.chart),
        code=code_hash("evalkit.figures.making"),
    shell:
        "{PYTHON} -m evalkit.figures --study {study.source:q} --figure {wildcards.chart} > {log:q} 2>&1"


rule draw_chart:
    input:
        rows=layout.report("{chart}.csv"),
        facts=layout.report("{chart}.json"),
    output:
        multiext(str(layout.report("{chart}")), ".pdf", ".png"),
    log:
        layout.root / "logs/figures/{chart}-draw.log",
    params:
        code=code_hash("reports.figures.drawing"),
    shell:
        "{PYTHON} -m reports.figures {input.rows:q} > {log:q} 2>&1"


# A figure that shows images: their pixels lie beside its rows.
rule sheet:
    input:
        lambda wildcards: facts.chart_inputs(study, wildcards.sheet),
    output:
        rows=layout.report("{sheet}.csv"),
        facts=layout.report("{sheet}.json"),
        pictures=layout.report("{sheet}.npz"),
    log:
        layout.root / "logs/figures/{sheet}-compute.log",
    params:
        figure=lambda wildcards: facts.chart_hash(study, wildcards.sheet),
        code=code_hash("evalkit.figures.making"),
    shell:
        "{PYTHON} -m evalkit.figures --study {study.source:q} --figure {wildcards.sheet} > {log:q} 2>&1"


rule draw_sheet:
    input:
        rows=layout.report("{sheet}.csv"),
        facts=layout.report("{sheet}.json"),
        pictures=layout.report("{sheet}.npz"),
    output:
        multiext(str(layout.report("{sheet}")), ".pdf", ".png"),
    log:
        layout.root / "logs/figures/{sheet}-draw.log",
    params:
        code=code_hash("reports.figures.drawing"),
    shell:
        "{PYTHON} -m reports.figures {input.rows:q} > {log:q} 2>&1"


rule figure_pretraining:
    input:
        lambda wildcards: facts.pretraining_jobs(study),
    output:
        multiext(str(layout.report("figure_pretraining")), ".pdf", ".png"),
    log:
        layout.root / "logs/figures/pretraining.log",
    params:
        labels=[study.backbone(name).label for name in facts.contrastive_backbones(study)],
        code=code_hash("reports.pretraining_curves"),
    shell:
        "{PYTHON} -m reports.pretraining_curves --study {study.source:q} > {log:q} 2>&1"


rule examples_of_views:
    input:
        lambda wildcards: facts.views_inputs(study),
    output:
        layout.report("figure_augmentations.npz"),
    log:
        layout.root / "logs/figures/examples_of_views.log",
    params:
        views=facts.views_arguments(study),
        code=code_hash("evalkit.pretraining.examples_of_views"),
    shell:
        "{PYTHON} -m evalkit.pretraining.examples_of_views --study {study.source:q} --backbone {params.views[0]}"
        " > {log:q} 2>&1"


rule figure_augmentations:
    input:
        layout.report("figure_augmentations.npz"),
    output:
        multiext(str(layout.report("figure_augmentations")), ".pdf", ".png"),
    log:
        layout.root / "logs/figures/augmentations.log",
    params:
        code=code_hash("reports.augmentations"),
    shell:
        "{PYTHON} -m reports.augmentations --study {study.source:q} > {log:q} 2>&1"


rule publish_figure:
    input:
        lambda wildcards: facts.drawn_files(study, wildcards.figure),
    output:
        pdf="reports/{figure}.pdf",
        png=report("reports/{figure}.png", category="Figures"),
    params:
        study=study.name,
    shell:
        "cp {input:q} reports/"


# reports/ holds the chosen study's copies; a change of study changes the inputs and so refreshes them.
rule publish:
    input:
        rows=layout.report("{table}.csv"),
        renderings=[layout.report("{table}" + ending) for ending in RENDERINGS],
    output:
        rows="reports/{table}.csv",
        text=["reports/{table}.md", "reports/{table}.tex"],
        page=report("reports/{table}.html", caption="captions/table.rst", category="Tables"),
    params:
        study=study.name,
    shell:
        "cp {input.rows:q} {input.renderings:q} reports/"


rule publish_counts:
    input:
        rows=layout.report("{tally}.csv"),
        renderings=[layout.report("{tally}" + ending) for ending in RENDERINGS],
    output:
        rows="reports/{tally}.csv",
        text=["reports/{tally}.md", "reports/{tally}.tex"],
        page=report("reports/{tally}.html", category="Counts"),
    params:
        study=study.name,
    shell:
        "cp {input.rows:q} {input.renderings:q} reports/"
