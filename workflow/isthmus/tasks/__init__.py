"""What is asked of a model: the loss that training minimises and the records that measuring leaves.

`task.Task` says what each of them does, `classification.Classification` and `masked_lm.MaskedLM` do it; a
`record.Record` is what measuring leaves by unit, and `scores` says how good predictions are.
"""
