"""Work on file trees: measuring, removing, locking, making durable."""
