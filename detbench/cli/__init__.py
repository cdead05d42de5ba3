"""The `detbench` command: each verb parses its arguments, calls the API and prints."""
