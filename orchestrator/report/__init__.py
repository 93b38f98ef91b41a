"""The report: one self-contained HTML page about one campaign. `orchestrator.report.page.write` makes it."""
