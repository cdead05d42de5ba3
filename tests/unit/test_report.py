import gzip
import json
import shlex
from pathlib import Path

import make_runs
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from detbench.cli.commands import command
from detbench.cli.report import report
from detbench.errors import DetbenchError
from detbench.readers.monitoring import read_monitoring
from detbench.records import store
from detbench.records.modes import MODES
from detbench.records.spec import RunRecord
from detbench.reporting.charts.lines import drawn_samples
from detbench.reporting.charts.parts import hover, thinned
from detbench.reporting.labels import labels
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import LeftOut, Section
from detbench.reporting.reproduce import command as again
from detbench.reporting.sections.kernels import idle_gaps, kernel_classes
from detbench.reporting.sections.monitoring import monitoring
from detbench.reporting.sections.overhead import overhead
from detbench.reporting.sections.roofline import roofline
from detbench.reporting.sections.throughput import throughput
from detbench.reporting.sections.utilization import utilization
from detbench.running.plan import Purpose, Request, plan
from detbench.suite import load_family
from tests.builders import event
from tests.unit import test_comparison

NUM_RUNS = 6  # three repeats in noprofile, then torch, nsight, memory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_runs.write(tmp_path / "results", NUM_RUNS, seconds=3, num_kernels=20)
    return tmp_path / "results"


def runs(root: Path) -> Runs:
    return Runs(list(store.all_runs(root)))


def made(*arguments: object) -> Result:
    return CliRunner().invoke(report, [str(argument) for argument in arguments])


def test_it_says_where_the_page_is_and_asks_for_nothing(root: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = made(root, "-o", page)
    assert done.exception is None
    assert done.stdout.startswith(f"{page}: 6 runs, ")
    assert "default-src 'none'" in page.read_text()
    run = next(root.glob("*/*_torch_*"))
    assert f'href="results/{run.relative_to(root)}/torch_bs2.pt.trace.json.gz"' in page.read_text()


def test_a_page_is_never_written_over(root: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    done = made(root, "-o", page)
    assert isinstance(done.exception, DetbenchError)
    assert done.exception.exit_code == 2
    assert f"{page} exists already; name a new file" in str(done.exception)
    assert page.read_text() == "mine"


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    done = made(tmp_path, "-o", tmp_path / "page.html")
    assert isinstance(done.exception, DetbenchError)
    assert done.exception.exit_code == 3
    assert f"no run in {tmp_path}" in str(done.exception)


def test_a_profile_and_a_single_run_are_results_too(root: Path, tmp_path: Path) -> None:
    profile = next(root.iterdir())
    run = next(profile.glob("*_torch_*"))
    assert "6 runs" in made(profile, run, "-o", tmp_path / "a.html").stdout
    assert "1 runs" in made(run, "-o", tmp_path / "b.html").stdout


def test_a_damaged_measurement_leaves_out_its_figure_and_says_so(
    root: Path, tmp_path: Path
) -> None:
    trace = next(root.glob("*/*/torch_bs2.pt.trace.json.gz"))
    trace.write_bytes(trace.read_bytes()[:-100])
    page = tmp_path / "page.html"
    done = made(root, "-o", page)
    assert done.exception is None
    text = page.read_text()
    assert '<section id="memory">' in text
    assert '<section id="kernel-classes">' not in text
    left_out = text[text.index('id="left-out"') : text.index('id="figures"')]
    assert str(trace) in left_out
    assert "<b>Kernel classes</b>: no timeline" in left_out


def test_a_damaged_record_does_not_sink_the_page(root: Path, tmp_path: Path) -> None:
    broken = next(root.glob("*/*_torch_*/run.json"))
    broken.write_text("{")
    done = made(root, "-o", tmp_path / "page.html")
    assert "5 runs" in done.stdout
    assert f"left out: {broken}" in done.stderr


def test_repeats_have_an_interval(root: Path) -> None:
    section = throughput(runs(root))
    assert isinstance(section, Section)
    row = section.exhibits[0].table.iloc[0]
    # 12.0, 12.1 and 12.2: mean 12.1, s = 0.1, t(2) = 4.303, half = 4.303 * 0.1 / sqrt(3)
    assert row["images/s"] == pytest.approx(12.1)
    assert row["± 95 %"] == pytest.approx(0.24843, abs=1e-4)
    assert row["repeats"] == 3


def test_energy_stands_beside_the_throughput_where_every_repeat_has_it(root: Path) -> None:
    def table(*energies: float | None) -> pd.DataFrame:
        told = []
        for run, joules in zip(runs(root).items, energies, strict=False):
            speed = run.record.throughput.model_copy(update={"energy_joules": joules})
            told.append(store.Run(run.folder, run.record.model_copy(update={"throughput": speed})))
        section = throughput(Runs(told))
        assert isinstance(section, Section)
        return section.exhibits[0].table

    assert "J/image" not in table(None, None, None)
    images = runs(root).items[0].record.throughput.images
    assert table(1 * images, 2 * images, 6 * images)["J/image"].tolist() == [3]
    assert "J/image" not in table(1 * images, None, 6 * images)  # a mean of some is of none


def test_overhead_compares_with_the_same_model_and_batch_size(root: Path) -> None:
    section = overhead(runs(root))
    assert isinstance(section, Section)
    table = section.exhibits[0].table.set_index("mode")
    # torch is run 3: (10 + 2 + 0.3) / 2 images/s, against 12.1
    assert table.loc["torch", "slowdown (x)"] == pytest.approx(12.1 / 6.15)


def test_what_a_timeline_has_to_be_read_with_stands_beside_its_figures(root: Path) -> None:
    (folder, record) = next(run for run in store.all_runs(root) if run.record.spec.mode == "torch")
    events = [event("ProfilerStep#1", 0, 1000, "user_annotation"), event("gemm", 0, 900)]
    events += [event("relu", 100 * n, 20) for n in range(1, 4)]  # inside gemm, on its stream
    trace = folder / f"torch_bs{record.spec.batch_size}.pt.trace.json.gz"
    trace.write_bytes(gzip.compress(json.dumps({"traceEvents": events}).encode()))
    for section in (kernel_classes(runs(root)), idle_gaps(runs(root)), utilization(runs(root))):
        assert isinstance(section, Section)
        assert any("a stream runs one kernel after another" in n for n in section.exhibits[0].notes)


def test_counted_operations_are_drawn_below_the_roofs_of_the_slice(root: Path) -> None:
    section = roofline(runs(root))
    assert isinstance(section, Section)
    (exhibit,) = section.exhibits
    assert exhibit.chart is not None
    *_, points = exhibit.chart.traces
    assert points["y"] == pytest.approx([2.048])  # 1024 fused operations a cycle, at a GHz
    assert exhibit.basis.count == "24 kernels in 1 file of counters"


def test_overhead_needs_noprofile(root: Path) -> None:
    found = [run for run in store.all_runs(root) if run[1].spec.mode != "noprofile"]
    assert isinstance(overhead(Runs(found)), LeftOut)


def test_labels_say_what_differs_and_no_more(root: Path) -> None:
    first, *_, last = runs(root).records
    amp = first.model_copy(update={"spec": first.spec.model_copy(update={"precision": "amp"})})
    assert labels([first]) == ["mask_rcnn_R_50_FPN_1x bs2"]
    assert labels([first, amp]) == [
        "mask_rcnn_R_50_FPN_1x bs2 fp32",
        "mask_rcnn_R_50_FPN_1x bs2 amp",
    ]
    assert labels([first, last])[1] == "mask_rcnn_R_50_FPN_1x bs2 memory"


def test_a_thinned_line_keeps_its_peak() -> None:
    values = [0.0] * 1000
    values[517], values[900] = 99.0, -5.0
    times, kept = thinned(pd.Series(range(1000)), pd.Series(values), 100)
    assert len(times) <= 100
    assert times[kept.index(99.0)] == 517
    assert times[kept.index(-5.0)] == 900


def test_a_gpus_activity_is_drawn_where_the_driver_tells_it(tmp_path: Path) -> None:
    file = tmp_path / "monitoring.csv"
    file.write_text(
        "time [s],gpu,power.draw [W],gpm.sm_util [%],gpm.any_tensor_util [%],gpus\n"
        "0.0,0,300,,[N/A: Not Supported],\n"
        "1.0,0,500,80,[N/A: Not Supported],\n"
        "2.0,0,500,60,[N/A: Not Supported],\n"
    )
    drawn = drawn_samples(read_monitoring(file))
    assert drawn[drawn["quantity"] == "SM active (%)"]["value"].tolist() == [80, 60]
    assert set(drawn["quantity"]) == {"SM active (%)", "power (W)"}


def test_quantities_with_one_reason_for_their_lack_share_it(root: Path) -> None:
    for file in root.glob("*/*/monitoring.csv"):
        file.write_text(
            "time [s],gpu,utilization.gpu [%],power.draw [W],gpm.sm_util [%],gpm.fp16_util,gpus\n"
            + "0,0,90,[N/A: GPU is lost],[N/A: Not Supported],[N/A: Not Supported],\n"
            + "1,0,90,[N/A: GPU is lost],[N/A: Not Supported],[N/A: Not Supported],\n"
        )
    section = monitoring(runs(root))
    assert isinstance(section, Section)
    assert section.exhibits[0].notes == [
        "Not reported: FP16 pipe active (%), SM active (%): Not Supported; power (W): GPU is lost."
    ]


def test_plotly_takes_no_name_for_markup() -> None:
    assert hover("<b>x</b>", "a & b") == "&lt;b&gt;x&lt;/b&gt;<br>a &amp; b"


@pytest.mark.parametrize(
    ("purpose", "request_"),
    [
        ("window", Request(batch_sizes=(4,), seed=3, precision="amp", count=7)),
        ("window", Request(batch_sizes=(4,), overrides={"SOLVER.STEPS": [1, 2], "A": "x y"})),
        ("accuracy", Request(batch_sizes=(2,), num_iterations=60, evaluate_every=30)),
        ("target", Request(batch_sizes=(2,), target={"box AP": 37.7, "mask AP": 33.9})),
    ],
)
def test_the_command_shown_plans_the_same_run(purpose: Purpose, request_: Request) -> None:
    family = load_family("maskrcnn")
    mode = MODES["memory" if purpose == "window" else "noprofile"]
    spec = plan(family, mode, request_, None, purpose=purpose)[0]
    record = RunRecord.model_construct(spec=spec, environment={})
    program, verb, name, *arguments = shlex.split(again(record))
    assert (program, name) == ("detbench", "maskrcnn")
    named, asked = _asked(verb, [name, *arguments])
    assert plan(family, MODES[named], asked, None, purpose=purpose)[0] == spec


def _asked(verb: str, arguments: list[str]) -> tuple[str, Request]:
    """The mode and the request that a verb makes of a command line."""
    from detbench.api.options import TrainOptions
    from detbench.api.requested import request
    from detbench.cli.options import targets

    given = command(verb).make_context(verb, arguments).params
    target = targets(given["target"]) if given.get("target") else {}
    options = {k: v for k, v in given.items() if k in TrainOptions.__optional_keys__}
    return given.get("mode", "noprofile"), request(options, target=target)


def test_commands_of_a_limited_run_name_the_limit(root: Path) -> None:
    first = runs(root).records[0]
    limited = first.model_copy(
        update={"environment": {"limits": {"memory": 1 << 30, "cpus": 2}, "image_id": "sha256:1"}}
    )
    line = again(limited)
    assert "--launcher docker --memory-limit 1073741824 --cpus 2" in line
    assert "--seed" not in line


def test_another_folder_is_compared_with_on_the_page(tmp_path: Path) -> None:
    before = test_comparison.keep(tmp_path / "before", test_comparison.runs(test_comparison.FAST))
    after = test_comparison.keep(
        tmp_path / "after", test_comparison.runs(test_comparison.SLOW, wait=0.5)
    )
    page = tmp_path / "change.html"
    done = CliRunner().invoke(
        command("report"), [str(after), "--against", str(before), "-o", str(page)]
    )
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert f"Comparison with {before}" in text
    assert "slower" in text
    assert "waiting for data" in text
