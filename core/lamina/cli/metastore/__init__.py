"""`lamina metastore`."""
