"""What is asked of a model: the loss that training minimises and the records that measuring leaves.

`task.Task` says what each of them does, `classification.Classification` and `masked_lm.MaskedLM` do it. What
needs no model stands apart: `scored` says what is made of measurements, a `record.Record` is what they leave
by unit, and `scores` says how good predictions are.
"""
