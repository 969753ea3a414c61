"""What people look at: tables, figures, the page, and status.

`tables.write`, `figures.write` and `page.write` make the files, `report.summary` what a run prints at its
end, `status` what is there.
"""
