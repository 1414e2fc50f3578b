"""HTTP server for the metrics of the host, in Prometheus' formats."""
