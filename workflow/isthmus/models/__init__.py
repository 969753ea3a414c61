"""Model folders: fetched, checked, opened, saved."""
