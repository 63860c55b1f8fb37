"""Trains, evaluates and stores models. Imports nothing, because program_cache must run before TensorFlow's import."""
