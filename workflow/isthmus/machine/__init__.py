"""Where it runs: devices, numbers and processes of a machine, and the hub over the network.

`numerics.setup` prepares PyTorch, `devices.claimed` takes GPUs, `network.asking` says what the hub refuses,
`failures` tells which failures come again.
"""
