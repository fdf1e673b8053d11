"""What a mapper decides about a program on a machine: processors, memories, layouts."""
