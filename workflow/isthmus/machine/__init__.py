"""Where it runs: devices, numbers and processes of a machine.

`numerics.setup` prepares PyTorch, `devices.claimed` takes GPUs, `failures` tells which failures come again.
"""
