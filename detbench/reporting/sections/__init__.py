"""The sections of a report page. Each is a function of the runs."""

from collections.abc import Callable

from detbench.reporting.measurements import Runs
from detbench.reporting.parts import LeftOut, Section
from detbench.reporting.sections.environment import environment
from detbench.reporting.sections.failures import failures
from detbench.reporting.sections.feasibility import feasibility
from detbench.reporting.sections.kernels import idle_gaps, kernel_classes
from detbench.reporting.sections.memory import memory
from detbench.reporting.sections.monitoring import monitoring
from detbench.reporting.sections.outcomes import outcomes
from detbench.reporting.sections.overhead import overhead
from detbench.reporting.sections.roofline import roofline
from detbench.reporting.sections.throughput import throughput
from detbench.reporting.sections.training import training
from detbench.reporting.sections.utilization import utilization

SECTIONS: tuple[Callable[[Runs], Section | LeftOut], ...] = (
    outcomes,
    throughput,
    utilization,
    roofline,
    kernel_classes,
    idle_gaps,
    memory,
    feasibility,
    training,
    monitoring,
    overhead,
    failures,
    environment,
)
"""The sections in the order of the page, the most wanted first."""
