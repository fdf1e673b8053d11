"""A study whose model is whoever asks for its requests and tells the replies: an agent."""
