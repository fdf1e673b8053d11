"""Conjugate gradients with a dense symmetric matrix: ``conjugate_gradients.py N STEPS``."""

import sys
import time

import cupynumeric as np

n, steps = int(sys.argv[1]), int(sys.argv[2])
column = np.arange(n, dtype=float).reshape(n, 1)
matrix = 1.0 / (1.0 + np.abs(column - column.T)) + n * np.eye(n)
right = np.ones(n)
solution = np.zeros(n)
residual = right - matrix @ solution
direction = residual.copy()
square = residual.dot(residual)
float(square)  # waits for what was begun
start = time.perf_counter()
for _ in range(steps):
    product = matrix @ direction
    length = square / direction.dot(product)
    solution = solution + length * direction
    residual = residual - length * product
    following = residual.dot(residual)
    direction = residual + (following / square) * direction
    square = following
sys.stdout.write(f"NORM {float(solution.dot(solution)) ** 0.5:.8f}\n")
sys.stdout.write(f"ELAPSED {time.perf_counter() - start:.4f} s\n")
