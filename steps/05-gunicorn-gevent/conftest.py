"""Lets the tests import the modules of this step, wherever pytest is started."""
