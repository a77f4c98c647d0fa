"""What drives execution: for now, recovery of senders beside it."""
