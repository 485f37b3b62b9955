"""The learner's tools: they start, show, load and test the steps. No step imports them."""
