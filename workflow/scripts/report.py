from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.experiment.config import Experiment
    from isthmus.showing import missing, page, partial, provenance, report
    from isthmus.statistics import tidy

    experiment = Experiment(**snakemake.params.shown)
    out = Path(snakemake.output.page)
    if snakemake.params.partial:
        found = partial.find(experiment, out.parent)
    else:
        found = partial.Found(
            tidy.load(out.parent),
            [Path(path) for path in snakemake.input.rows],
            [Path(path) for path in snakemake.input.histories],
            [Path(path) for path in snakemake.input.planes],
            [Path(path) for path in snakemake.input.maps],
            [Path(path) for path in snakemake.input.detours],
            lacking=[],
        )
    origins = provenance.read(experiment, out.parent)
    files = found.rows, found.histories, found.planes, found.maps, found.detours
    page.write(experiment, found.frames, out, origins, *files, found.lacking)
    shown = (found.frames[name] for name in ("metrics", "deltas", "evaluations"))
    findings = None if snakemake.params.partial else tidy.read(out.with_name("findings.csv"))
    lacking = [
        *found.lacking,
        *missing.in_brief(experiment, found.frames["metrics"], found.frames["evaluations"]),
    ]
    Path(snakemake.output.summary).write_text(report.summary(experiment, *shown, findings, lacking))
