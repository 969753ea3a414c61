"""Model folders: fetched, checked, opened, saved.

`origins.fetch` makes a local copy; `classifiers` opens a classifier, starts one from a pre-trained body,
or adopts one of others; `hf_folders` writes and checks a folder's record; `weight_files` saves and loads
tensors.
"""
