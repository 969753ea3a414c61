"""From a source to rows, and from rows to tokens.

`hub.fetch` copies a data set of the hub; `subsets.write`, `further_sets.write` and `breakdowns.write` make
the files of a data set, of its further sets and of the parts of both; `rows.read_rows` reads them.
`tokens` turns rows into flat arrays and batches. `toy` is a generated language.
"""
