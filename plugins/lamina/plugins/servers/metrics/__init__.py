"""The metrics of a host over HTTP, in Prometheus' formats."""
