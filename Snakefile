# The study on one page: what is compared is in config/<study>.yaml, the rules lie beside the code they drive.
#
#   snakemake --cores 8 reports/table7.csv                                   the demo
#   snakemake --cores 8 --config study=nih NIH_ROOT=/data/nih -- reports/table7.csv

import shlex
import sys

from snakemake.utils import min_version

from evalkit import workflow as facts
from evalkit.errors import InputError

min_version("9.5")

try:
    study = facts.open_study(config)
except InputError as error:
    raise WorkflowError(error)

layout = study.layout
PYTHON = shlex.quote(sys.executable)

# --cores may promise more than the machine has; trainings are limited by what it really has.
if "training" not in workflow.global_resources:
    workflow.register_resource("training", facts.training_slots(study))


wildcard_constraints:
    dataset="[A-Za-z0-9_.-]+",
    other="[A-Za-z0-9_.-]+",
    evaluation="[A-Za-z0-9_.-]+",
    setting="[a-z]+=[^/]+",
    backbone="[A-Za-z0-9_.-]+",
    span=r"\d+-\d+",
    size=r"\d+",
    figure="figure[a-z0-9_]+",
    chart=facts.one_of(facts.figures_without_pictures(study)),
    sheet=facts.one_of(facts.figures_with_pictures(study)),
    tally=facts.one_of(study.file.counts),
    table=rf"(?!(?:crosscheck|figure[a-z0-9_]+|{facts.one_of(study.file.counts)})\.)[A-Za-z0-9_.-]+",


rule all:
    input:
        [f"reports/{table}.csv" for table in (*study.file.counts, *study.file.tables)],
        [f"reports/{figure}.pdf" for figure in study.file.figures],


include: "evalkit/datasets/rules.smk"
include: "evalkit/checkpoints/rules.smk"
include: "tasks/rules.smk"
include: "reports/rules.smk"
