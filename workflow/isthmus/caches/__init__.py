"""What is expensive, kept by content: training states and measurements."""
