"""The experiments of ``mappertune study``, a module each."""
