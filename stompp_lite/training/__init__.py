"""Training: data, the loop, the progression inside it, measurements, checkpoints."""
