"""The fuzzer is a script, and needs atheris, which has no wheels for all Pythons."""

collect_ignore = ["fuzz_language.py"]
