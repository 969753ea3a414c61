"""Write docs/settings.md, the table of all settings, from the types that check them: `make docs`."""

from pathlib import Path

from isthmus.experiment import config, wording

PAGE = Path(__file__).with_suffix(".md")
HEAD = """\
# Settings

Made by `make docs` from `workflow/isthmus/experiment/config.py`, which also checks every experiment file
against it. An experiment file is whole in itself: what it does not say has the default below, and nothing is
taken from `config.yaml`. `$NAME` in a path is an environment variable.

"""


def page() -> str:
    """The page's text."""
    return HEAD + wording.table(config.Experiment, without=[config.TrainingOverride])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
