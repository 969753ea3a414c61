"""What people look at: tables, figures, the page, plan and status.

`tables.write`, `figures.write` and `page.write` make the files, `report.summary` what a run prints at its
end, `plan.describe` and `status` what comes and what is there.
"""
