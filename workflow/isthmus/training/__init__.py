"""From an anchor to a checkpoint, exactly.

The doors are `finetuning.finetune` and `pretraining.pretrain`, the jobs of two rules; `run.segment`, which
both call, holds the one loop; `schedule.Recipe` is what they are given. What an update is made of stands in
`step`, and what hangs on the loop in `history`, `progress`, `saving` and `signals`.
"""
