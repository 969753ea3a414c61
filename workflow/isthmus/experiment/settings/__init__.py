"""The groups of settings; `isthmus.experiment.config` is their door."""
