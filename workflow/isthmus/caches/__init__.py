"""What is expensive, kept by content: training states and measurements.

`identity.key` names both; `states` and `locks` are a run's, `journal.Journal` holds measurements, `attempts`
says what each process took.
"""
