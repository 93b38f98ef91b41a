"""The figures of the report: records in, plotly figures out. None of them draws a title; the page does."""
