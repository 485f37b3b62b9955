"""The steps to test, and the kinds of job: all steps hold the same, so one copy is enough."""

import os
import sys

from workshop.steps import find_step

os.environ["JOB_PACE"] = "0"
sys.path.insert(0, str(find_step("1")))
