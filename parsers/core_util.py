#!/usr/bin/env python3
"""The `detbench core-util` verb as a script, for machines that have files only; see --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from detbench.cli.program import start

start("core-util")
