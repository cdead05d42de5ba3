"""The Python API: functions over paths and records that return tables, records and figures."""
