"""The library that the workflow is read with, which is also that of its jobs."""

import os
import sys
from pathlib import Path

# Of the library that these rules and scripts belong to.
VERSION = "0.1.0"
# In a clone the library stands beside the rules and need not be installed. Rules of a git address are no folder.
BESIDE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
if (BESIDE / "isthmus").is_dir():
    sys.path.insert(0, str(BESIDE))
    # Jobs take it from there too, whatever else is installed where they run.
    search = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    os.environ.update(PYTHONPATH=os.pathsep.join(dict.fromkeys([str(BESIDE), *search])))

try:
    from isthmus import __version__, hashing
except ImportError as error:
    raise SystemExit(
        f"Error: isthmus: found no such package in {sys.executable}, and none beside the rules of the workflow "
        f"({error}); allowed: `pip install` of version {VERSION}, from the address that the workflow is from"
    ) from None

LIBRARY = hashing.LIBRARY.resolve()
os.environ.update(ISTHMUS_LIBRARY=str(LIBRARY))
if (BESIDE / "isthmus").is_dir() and LIBRARY != (BESIDE / "isthmus").resolve():
    raise SystemExit(
        f"Error: isthmus: found {LIBRARY}, which was imported before (by another module, or by your Snakefile); "
        f"allowed: one copy of Isthmus in a workflow, such as {(BESIDE / 'isthmus').resolve()}"
    )
if __version__ != VERSION:
    raise SystemExit(
        f"Error: isthmus: found version {__version__} in {LIBRARY}; allowed: {VERSION}, the version of these "
        "rules: `pip install` it from the address that the workflow is from"
    )
