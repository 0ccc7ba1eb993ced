"""Statements and breaks as text, Markdown, HTML, workbook and chart: pure functions."""
