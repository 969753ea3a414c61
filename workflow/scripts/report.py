from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    import pandas as pd
    from isthmus import config, report

    experiment = config.load(snakemake.config)
    page = Path(snakemake.output.page)
    report.write(experiment, page.parent, page, report.provenance(page.parent))
    frames = (pd.read_csv(snakemake.input[name]) for name in ("metrics", "deltas", "evaluations"))
    Path(snakemake.output.summary).write_text(report.summary(experiment, *frames))
