"""The garbage collector: it runs when a client asks, and at intervals."""
