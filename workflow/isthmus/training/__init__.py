"""From an anchor to a checkpoint, exactly."""
