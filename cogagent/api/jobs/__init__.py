"""Work that outlives a request: ingests and batches, their queue, files and processes."""
