"""How the machine is trained, measured and stored. Imports nothing: program_cache must run before TensorFlow."""
