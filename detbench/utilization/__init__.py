"""The formulas: tables in, tables out."""
