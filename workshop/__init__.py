"""The learner's bench: it starts, shows, loads and tests the steps. No step imports it."""
