"""OpenTuner's techniques as a sampler; OpenTuner runs in a process of its own."""
