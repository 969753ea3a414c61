"""From a source to rows, and from rows to tokens."""
