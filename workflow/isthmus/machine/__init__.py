"""Where it runs: devices, numbers and processes of a machine."""
