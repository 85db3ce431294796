"""One short script per thing that can happen: load, decide, save, enqueue, in one transaction."""
