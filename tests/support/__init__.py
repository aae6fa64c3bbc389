"""What the tests need beside the product: a scripted backend, a real process, a file watcher."""
