"""What the measurements say: from curves to metrics, over seeds, to statements.

`connectivity` makes tidy frames of paths and `tidy` reads them back; `pair_statistics` is over pairs of
seeds; `basins`, `generalisation` and `findings` are the statements.
"""
