"""The experiments of the ICML 2025 paper (arXiv 2410.15625), as commands over any model."""
