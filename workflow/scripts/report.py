from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import config, report, tables

    experiment = config.load(snakemake.config)
    page = Path(snakemake.output.page)
    report.write(experiment, page.parent, page, report.provenance(page.parent))
    frames = (tables.read(Path(snakemake.input[name])) for name in ("metrics", "deltas", "evaluations"))
    Path(snakemake.output.summary).write_text(report.summary(experiment, *frames))
