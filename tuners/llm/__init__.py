"""The sampler that asks a language model: prompts, replies, conversations, the model itself."""
