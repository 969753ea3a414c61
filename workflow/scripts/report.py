from isthmus.machine.job import logged

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
            **{name: [Path(path) for path in getattr(snakemake.input, name)] for name in partial.FILES},
            lacking=[],
        )
    origins = provenance.read(experiment, out.parent)
    files = {name: getattr(found, name) for name in partial.FILES}
    page.write(experiment, found.frames, out, origins, **files, lacking=found.lacking)
    provenance.write(Path(snakemake.output.provenance), experiment, origins, partial=snakemake.params.partial)
    shown = (found.frames[name] for name in ("metrics", "deltas", "evaluations"))
    findings = None if snakemake.params.partial else tidy.read(out.with_name("findings.csv"))
    lacking = [
        *found.lacking,
        *missing.in_brief(experiment, found.frames["metrics"], found.frames["evaluations"]),
    ]
    Path(snakemake.output.summary).write_text(report.summary(experiment, *shown, findings, lacking))
