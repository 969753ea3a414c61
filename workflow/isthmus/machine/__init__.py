"""Where it runs: devices, numbers and processes of a machine.

`numerics.setup` prepares PyTorch, `devices.claimed` takes GPUs, `network.asking` asks the hub, and `failures` tells
which failures come again.
"""
