"""What people look at: tables, figures, the page, plan and status."""
