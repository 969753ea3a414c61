"""A Workflow Run RO-Crate of a finished experiment, by the library `rocrate` (no part of `.venv`).

python docs/run_crate.py EXPERIMENT.yaml results/NAME FOLDER --author "Your Name" --license CC-BY-4.0
"""

import argparse
import json
import mimetypes
from datetime import UTC, datetime
from pathlib import Path

from rocrate.model import ContextEntity, Person
from rocrate.rocrate import ROCrate

PROFILES = ("ro/wfrun/process/0.5", "ro/wfrun/workflow/0.5", "workflowhub/workflow-ro-crate/1.0")
FILES = ("report.html", "summary.txt", "provenance.json", "SHA256SUMS")


def write(experiment: Path, results: Path, out: Path, author: str, licence: str) -> None:
    """Write the crate: what people and programs read of the results, the settings, and the workflow."""
    software = json.loads((results / "provenance.json").read_text(encoding="utf-8"))["origins"]["software"]
    files = [*(results / name for name in FILES), *sorted(results.glob("*.csv"))]
    crate = ROCrate(version="1.1")  # what the profiles build on

    def known(identifier: str, **properties) -> ContextEntity:
        return crate.add(ContextEntity(crate, identifier, {"@type": "CreativeWork", **properties}))

    def file(path: Path):
        kind = {".yaml": "application/yaml"}.get(path.suffix, mimetypes.guess_type(path)[0] or "text/plain")
        return crate.add_file(path, properties={"name": path.name, "encodingFormat": kind})

    crate.name = f"{results.name}: linear connectivity of fine-tuned language models"
    crate.description = "The results of an experiment, its settings, and the workflow that made them."
    crate.root_dataset["author"] = person = crate.add(Person(crate, "#author", {"name": author}))
    crate.root_dataset["license"] = known(f"https://spdx.org/licenses/{licence}", name=licence)
    crate.root_dataset["conformsTo"] = [
        known(f"https://w3id.org/{profile}", name=profile, version=profile.split("/")[-1])
        for profile in PROFILES
    ]
    named = {"name": software["name"], "version": f"{software['version']}, {software['repository']}"}
    workflow = crate.add_workflow("Snakefile", main=True, lang="snakemake", properties=named)
    ended = datetime.fromtimestamp(max(path.stat().st_mtime for path in files), UTC)
    said = {"name": f"a run of {experiment.name}", "description": "fine-tuning, measuring, reporting"}
    said |= {"agent": {"@id": person.id}, "endTime": ended.isoformat(timespec="seconds")}
    inputs, made = [file(experiment)], [file(path) for path in files]
    action = crate.add_action(workflow, identifier="#run", object=inputs, result=made, properties=said)
    crate.root_dataset["mentions"] = action
    crate.write(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("experiment", "results", "out"):
        parser.add_argument(name, type=Path)
    for name in ("author", "license"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    write(given.experiment, given.results, given.out, given.author, given.license)
