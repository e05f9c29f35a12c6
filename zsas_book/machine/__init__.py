"""What this machine has: GPUs, and a process that has imported everything already."""
