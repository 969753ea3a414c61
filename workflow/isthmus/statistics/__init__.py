"""What the measurements say: metrics over seeds, basins, findings."""
