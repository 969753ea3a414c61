"""What an experiment costs before anything is spent, and how long a run still takes.

`plan.describe` is the plan in words, `forecast.Forecast` the time left of a run. Both weigh jobs by `costs`:
their operations (`work`, from `shapes` of models and `sizes` of data) over the rates that `known` reads from
what ran on this machine.
"""
