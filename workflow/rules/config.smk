"""Which settings the experiment has: those of experiment files, or the `config` of a module."""

from isthmus.errors import ConfigError
from isthmus.experiment import experiment_files

IS_MODULE = not workflow.modifier.is_main_snakefile()

# Snakemake would merge a given experiment with a default one; so a default is named only where none was given.
if not IS_MODULE and not workflow.overwrite_configfiles:
    if Path("config.yaml").exists():
        experiment_files.main(["config.yaml"])

    configfile: "config.yaml"


def check_module():
    """Raise a ConfigError where a module statement says what cannot be."""
    if not isinstance(config, dict) or not config:
        found = repr(config) if config else "nothing"
        raise ConfigError(
            f"module: found {found} for `config:`; allowed: the settings of an experiment, as in config.yaml"
        )
    # The user's own files, states and journals would not get the prefix.
    modifier = workflow.modifier.path_modifier
    while modifier:
        if modifier.prefix or modifier.modifies_prefixes:
            raise ConfigError(
                "module: found a `prefix:` or `replace_prefix:`; allowed: none. Results stand in "
                "results/<experiment>/: another `experiment` has others"
            )
        modifier = modifier.inner_modifier


def read_settings():
    """The settings as they were read, and where they come from.

    Snakemake has read the files and is less strict: of a key that stands twice it takes the last. A module that
    is given a part of its workflow's files is not asked about the rest of them.
    """
    if IS_MODULE:
        check_module()
    if not IS_MODULE or config == workflow.modifier_stack[0].globals["config"]:
        experiment_files.read(workflow.configfiles)
        return config, ", ".join(map(str, workflow.configfiles)) or "the config"
    return config, "the module's config"
