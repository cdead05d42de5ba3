"""The kinds of measurements that files hold."""

from typing import Literal

Kind = Literal["timeline", "counters", "memory", "monitoring", "training history"]
