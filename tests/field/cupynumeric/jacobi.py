"""Jacobi's iteration on a square with one hot edge: ``jacobi.py N STEPS``."""

import sys
import time

import cupynumeric as np

n, steps = int(sys.argv[1]), int(sys.argv[2])
grid = np.zeros((n + 2, n + 2))
grid[0, :] = 1.0
float(grid.sum())  # waits for what was begun
start = time.perf_counter()
for _ in range(steps):
    around = grid[:-2, 1:-1] + grid[2:, 1:-1] + grid[1:-1, :-2] + grid[1:-1, 2:]
    grid[1:-1, 1:-1] = 0.25 * around
total = float(grid.sum())
sys.stdout.write(f"SUM {total:.6f}\n")
sys.stdout.write(f"ELAPSED {time.perf_counter() - start:.4f} s\n")
