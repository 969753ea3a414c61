"""What is asked for: the settings and what is said of them. Nothing here computes, or imports what does.

`config.Experiment` is a whole experiment; `layout` names its files, `jobs` lists its jobs, `dependencies` and
`parameters` say what their results follow from.
"""
