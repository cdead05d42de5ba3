"""The sections of a report page, each a function of the runs."""

from collections.abc import Callable

from detbench.report.measurements import Runs
from detbench.report.parts import LeftOut, Section
from detbench.report.sections.environment import environment
from detbench.report.sections.failures import failures
from detbench.report.sections.feasibility import feasibility
from detbench.report.sections.kernels import idle_gaps, kernel_classes
from detbench.report.sections.memory import memory
from detbench.report.sections.monitoring import monitoring
from detbench.report.sections.outcomes import outcomes
from detbench.report.sections.overhead import overhead
from detbench.report.sections.throughput import throughput
from detbench.report.sections.training import training
from detbench.report.sections.utilization import utilization

SECTIONS: tuple[Callable[[Runs], Section | LeftOut], ...] = (
    outcomes,
    throughput,
    utilization,
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
"""In the order of the page: what is asked first stands first."""
