"""Which software made the results: name, version, licence, authors, and the state of its repository."""

import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
CITATION = "CITATION.cff"


def facts() -> dict[str, Any]:
    """What `CITATION.cff` says of the software, and the commit; without its repository its version alone."""
    path = ROOT / CITATION
    if not path.is_file():
        return {"name": "Isthmus", "version": _installed()}
    cited = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        "name": cited["title"],
        "version": cited["version"],
        "licence": cited["license"],
        "authors": [author["name"] for author in cited["authors"]],
        "repository": state(ROOT),
    }


def _installed() -> str:
    """The version that is installed; a job's library stands beside its script, and need not be."""
    try:
        return version("isthmus")
    except PackageNotFoundError:
        return "not known"


def state(repository: Path) -> str:
    """The commit of a repository, and whether its code has been changed since."""

    def git(*words: str) -> str:
        call = ["git", "-C", str(repository), *words]
        return subprocess.run(call, check=True, capture_output=True, text=True).stdout.strip()

    try:
        # Of a copy inside somebody's own repository the commit says nothing.
        if Path(git("rev-parse", "--show-toplevel")) != repository.resolve():
            return "not known"
        commit, changes = (
            git("rev-parse", "HEAD"),
            git("status", "--porcelain", "--", "Snakefile", "workflow"),
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        return "not known"
    return f"commit {commit}" + (", with changes that are not committed" if changes else "")


def linked(experiment: str, software: Mapping[str, Any], sums: Mapping[str, str]) -> dict[str, Any]:
    """The results and the software that made them in the terms of schema.org, as JSON-LD.

    Args:
        experiment: its name.
        software: from `facts`.
        sums: the SHA-256 of each CSV file by name.
    """
    made_by = {
        "@id": "#software",
        "@type": "SoftwareSourceCode",
        "name": software["name"],
        "version": software["version"],
        "programmingLanguage": "Python",
    }
    if "licence" in software:
        made_by |= {
            "license": f"https://spdx.org/licenses/{software['licence']}",
            "author": [{"@type": "Organization", "name": name} for name in software["authors"]],
            "identifier": software["repository"],
        }
    results = {
        "@id": "#results",
        "@type": "Dataset",
        "name": experiment,
        "description": "Linear connectivity of fine-tuned language models, measured between their seeds",
        "variableMeasured": ["barrier height", "convexity gap"],
        "distribution": [
            {"@type": "DataDownload", "contentUrl": name, "encodingFormat": "text/csv", "sha256": sha256}
            for name, sha256 in sorted(sums.items())
        ],
    }
    action = {
        "@id": "#measuring",
        "@type": "CreateAction",
        "instrument": {"@id": "#software"},
        "result": {"@id": "#results"},
    }
    return {"@context": "https://schema.org", "@graph": [results, made_by, action]}
