"""What NVML tells, through the real binding and a library that acts out a scene."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from detbench.records.spec import RunRecord, Throughput
from tests import nvml_standin
from tests.conftest import ROOT

# A monitored command that lasts until the file has what is waited for.
MONITORED = """
import sys
from pathlib import Path
from detbench.gpus.discovery import survey
from detbench.launch.local import LocalLauncher
from detbench.telemetry.monitor import Monitor

file, until = Path(sys.argv[1]), sys.argv[2]
with Monitor(file, every=0.02, gpus=survey().gpus) as monitor:
    ended = LocalLauncher().run(
        ["bash", "-c", f"until {until}; do :; done"], log=file.with_suffix(".log"), environment={},
        on_event=monitor.watching(print), time_limit=30,
    )
sys.exit(ended.code)
"""

# A run on the first MIG instance whose training ends at once, without a word.
RUN = """
import sys
from pathlib import Path
from detbench.gpus.discovery import several
from detbench.launch.local import LocalLauncher
from detbench.records.modes import MODES
from detbench.running.attach import attach
from detbench.running.plan import Request, plan
from detbench.running.execute import execute
from detbench.suite import load_family

gpus, _ = several("MIG-44444444-dddd")
family, mode, request = load_family("maskrcnn"), MODES["noprofile"], Request(batch_sizes=(2,))
(spec,) = plan(family, mode, request, gpus[0], purpose="window")
launcher = LocalLauncher(tuple(gpu.uuid for gpu in gpus), python="false")
attachment = attach(mode, gpus[0], spec.batch_size, spec.window)
folder, _ = execute(spec, attachment, launcher, root=Path(sys.argv[1]), on_event=print, gpus=gpus,
                    monitor_every=1.0)
print(folder)
"""


# A run whose training never ends, on GPUs of which one is lost meanwhile.
HANGING = """
import sys
from pathlib import Path
from detbench.gpus.discovery import survey
from detbench.launch.local import LocalLauncher
from detbench.records.modes import MODES
from detbench.running.attach import attach
from detbench.running.plan import Request, plan
from detbench.running.execute import execute
from detbench.suite import load_family

hanging = Path(sys.argv[1]) / "hanging"
hanging.write_text("#!/bin/sh\\nexec sleep 600\\n")
hanging.chmod(0o755)
gpus = survey().gpus
family, mode = load_family("maskrcnn"), MODES["noprofile"]
(spec,) = plan(family, mode, Request(batch_sizes=(2,)), gpus[0], purpose="window")
attachment = attach(mode, gpus[0], spec.batch_size, spec.window)
_, record = execute(spec, attachment, LocalLauncher(python=str(hanging)), root=Path(sys.argv[1]),
                    on_event=print, gpus=gpus, monitor_every=0.05)
print(record.status, record.cause, sep="|")
"""

# Two processes on the two MIG instances of a GPU.
TWO_INSTANCES = """
from detbench.launch.base import ignore
from detbench.records.modes import MODES
from detbench.running.place import Place
from detbench.running.plan import Request
from detbench.running.session import prepare

prepare("maskrcnn", MODES["noprofile"], Request(num_processes=2, batch_sizes=(2,)), Place(),
        "window", ignore, dry_run=True)
"""


# The energy of an iteration, through the training's meter; a second one that began inside it.
METERED = """
import json, sys
from pathlib import Path
import torch
from detbench.gpus.discovery import several
from detbench.gpus.energy import EnergyCounters
from detbench.records.spec import Window
from detbench.training.meter import Meter
from detbench.training.protocol import Step

for folder, first in (("whole", 0), ("rest", 2)):
    file = Path(sys.argv[1]) / f"{folder}.csv"
    counters = EnergyCounters(*several())
    window, device = Window(start=1, count=2), torch.device("cpu")
    meter = Meter(window, 4, 10, device, file, first, energy=counters)
    meter.before_train(None)
    for iteration in range(first, 4):
        meter.before_step(iteration)
        meter.after_step(Step(iteration, 1.0, 0.0))
    meter.after_train()
    print(meter.throughput(partial=True).model_dump_json(), file=sys.stderr)
"""

# Whose energy a training of some processes and machines reads.
COUNTED = """
import sys
from types import SimpleNamespace
import torch
from detbench.training.distributed import World
from detbench.training.energy import counters_of

device, processes, machines = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
job = SimpleNamespace(
    device=torch.device(device), world=World(local_size=processes),
    spec=SimpleNamespace(nodes=SimpleNamespace(count=machines)),
)
counters = counters_of(job)
print(counters.joules(), counters.why_none)
"""

# What NVML says of the first GPU's settings.
SETTINGS = """
import json
from detbench.gpus.discovery import several
told = several()[0][0].facts()
print(json.dumps({k: v for k, v in told.items() if "clock" in k or "_mode" in k or "limit" in k}))
"""


@pytest.fixture(scope="module")
def old_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml_standin.compiled(tmp_path_factory.mktemp("nvml-old"), "OLD_DRIVER")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml_standin.compiled(tmp_path_factory.mktemp("nvml"))


def ran(library: Path, scene: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=nvml_standin.acting(library, scene),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def gpus(library: Path, scene: str) -> tuple[list[dict[str, object]], str]:
    done = ran(library, scene, "-m", "detbench", "gpus", "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_whole_gpus_are_listed_with_their_profiles(library: Path) -> None:
    rows, said = gpus(library, "two_gpus")
    assert [row["index"] for row in rows] == [0, 1]
    assert rows[1] == {
        "index": 1,
        "GPU": "1",
        "name": "NVIDIA A100 80GB PCIe",
        "profile": "A100-80GB",
        "memory (MiB)": 81920,
        "compute capability": "8.0",
        "driver": "550.54.15",
        "UUID": "GPU-22222222-bbbb",
        "MIG parent": None,
        "state": "ok",
    }
    assert said == ""


def test_mig_instances_have_their_gpus_uuid_and_a_gpu_without_any_says_what_to_do(
    library: Path,
) -> None:
    rows, said = gpus(library, "mig")
    assert [(row["GPU"], row["profile"], row["memory (MiB)"]) for row in rows] == [
        ("0:0", "A100-80GB-3g.40gb", 40192),
        ("0:2", "A100-80GB-2g.20gb", 19968),
        ("1", None, None),
    ]
    assert rows[1]["UUID"] == "MIG-55555555-eeee"
    assert rows[1]["MIG parent"] == "GPU-33333333-cccc"
    assert rows[2]["state"] == "MIG is enabled and there is no instance"
    assert "sudo nvidia-smi mig -i 1 -cgi PROFILE -C (docs/mig.md)" in said


def test_a_vgpu_is_the_profile_of_its_name(library: Path) -> None:
    (row,), _ = gpus(library, "vgpu")
    assert (row["name"], row["profile"]) == ("GRID A100D-2-20C", "A100D-2-20C")


@pytest.mark.parametrize(
    ("scene", "lost", "word"),
    [
        ("lost", "0", "GPU is lost"),
        ("no_permission", "1", "Insufficient Permissions"),
        ("mig_without_permission", "0:0", "Insufficient Permissions"),
    ],
)
def test_one_that_fails_does_not_hide_the_others(
    library: Path, scene: str, lost: str, word: str
) -> None:
    rows, _ = gpus(library, scene)
    states = {row["GPU"]: row["state"] for row in rows}
    assert states.pop(lost) == word
    assert "ok" in states.values()


def test_the_doctor_names_the_one_that_fails(library: Path) -> None:
    done = ran(library, "lost", "-m", "detbench", "doctor", "--json")
    states = {row["what"]: row["state"] for row in json.loads(done.stdout)}
    assert (states["GPU"], states["GPU 0"]) == ("ok", "missing")


def test_a_lost_gpu_keeps_its_number(library: Path) -> None:
    code = (
        "from detbench.gpus.discovery import several;"
        "print([g.uuid for g in several('1')[0]], several('0')[1])"
    )
    done = ran(library, "lost", "-c", code)
    assert done.stdout == "['GPU-22222222-bbbb'] '0' names none of the 1 GPUs here\n"


@pytest.mark.parametrize(
    ("scene", "word"),
    [
        ("version_mismatch", "NVML: RM has detected an NVML/RM version mismatch."),
        ("no_gpu", "NVML counts no GPU"),
    ],
)
def test_without_a_gpu_nvmls_word_is_passed_on(library: Path, scene: str, word: str) -> None:
    rows, said = gpus(library, scene)
    assert rows == []
    assert f"no GPU can be used here: {word}\n" in said
    assert "detbench gpus --catalogue" in said


def monitored(library: Path, scene: str, folder: Path, samples: int, also: str = "true") -> Path:
    file = folder / "monitoring.csv"
    until = f"[ $(grep -c ,host, {file}) -ge {samples} ] && {also.format(file=file)}"
    done = ran(library, scene, "-c", MONITORED, file, until)
    assert (done.returncode, done.stderr) == (0, "")
    return file


def by_gpu(file: Path) -> dict[str, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, ROOT / "parsers/monitor_util.py", file, "--by", "gpu", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {row["gpu"]: row for row in json.loads(done.stdout)}


def column(file: Path, gpu: str, name: str) -> list[str]:
    with file.open() as stream:
        return [row[name] for row in csv.DictReader(stream) if row["gpu"] == gpu]


def by_quantity(file: Path) -> dict[tuple[str, str], dict[str, object]]:
    done = subprocess.run(
        [sys.executable, ROOT / "parsers" / "monitor_util.py", file, "--by", "quantity", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {(row["gpu"], row["quantity"]): row for row in json.loads(done.stdout)}


def test_a_runs_gpus_and_host_are_sampled(library: Path, tmp_path: Path) -> None:
    worked = "awk -F, 'NR > 1 && $(NF-2) > 0 {{ found = 1 }} END {{ exit !found }}' {file}"
    rows = by_quantity(monitored(library, "two_gpus", tmp_path, 4, also=worked))
    expected = {
        "utilization (%)": 75,
        "memory used (MiB)": 1024,
        "power (W)": 250.5,
        "SM clock (MHz)": 1410,
        "memory clock (MHz)": 1512,
        "temperature (C)": 61,
        "ECC errors, uncorrected": 0,
        "processes": 1,
    }
    assert {q: rows["0", q]["mean"] for q in expected} == expected
    assert rows["1", "utilization (%)"]["mean"] == 20
    assert rows["host", "GPUs watched"]["mean"] == 2
    assert rows["host", "run's processes"]["max"] >= 1  # type: ignore[operator]
    assert rows["host", "run's CPU (cores)"]["max"] > 0  # type: ignore[operator]
    assert ("host", "power (W)") not in rows
    assert ("0", "CPU (%)") not in rows


def test_memory_in_use_is_without_the_drivers_own(
    library: Path, old_library: Path, tmp_path: Path
) -> None:
    new = by_quantity(monitored(library, "hopper", tmp_path, 2))
    assert new["0", "memory used (MiB)"]["mean"] == 4000  # as nvidia-smi has it
    (tmp_path / "old").mkdir()
    old = by_quantity(monitored(old_library, "hopper", tmp_path / "old", 2))
    assert old["0", "memory used (MiB)"]["mean"] == 4600  # such a driver does not tell them apart


def test_a_mig_instance_has_its_memory_and_its_gpu_the_power(library: Path, tmp_path: Path) -> None:
    file = monitored(library, "mig", tmp_path, 2)
    rows = by_quantity(file)
    assert rows["0:0", "memory used (MiB)"]["mean"] == 2000
    assert rows["0:2", "memory used (MiB)"]["mean"] == 500
    assert rows["0", "power (W)"]["mean"] == 250.5
    utilization = rows["0:0", "utilization (%)"]
    assert (utilization["mean"], utilization["reason for n/a"]) == (None, "Not Supported")
    assert ",[N/A: Not Supported]," in file.read_text()


def test_hoppers_activity_is_of_each_interval_between_samples(
    library: Path, tmp_path: Path
) -> None:
    file = monitored(library, "hopper", tmp_path, 4)
    rows = by_quantity(file)
    expected = {
        "engine active (%)": 95.5,
        "SM active (%)": 80.25,
        "SM occupancy (%)": 40.5,
        "FP32 pipe active (%)": 20.5,
        "DRAM bandwidth used (%)": 55.75,
        "PCIe sent (MiB/s)": 120.5,
        "PCIe received (MiB/s)": 900.25,
        "NVLink sent (MiB/s)": 0,
        "NVLink received (MiB/s)": 0,
    }
    assert {q: rows["0", q]["mean"] for q in expected} == expected
    active = column(file, "0", "gpm.sm_util [%]")
    assert active == ["", *["80.25"] * (len(active) - 1)]  # the first sample ends no interval
    assert rows["0", "FP64 pipe active (%)"]["mean"] is None
    assert "NVML said nan" in str(rows["0", "FP64 pipe active (%)"]["reason for n/a"])
    assert "Not Supported" in str(rows["0", "FP16 pipe active (%)"]["reason for n/a"])


def test_an_instance_has_its_own_activity_and_its_gpu_says_why_not(
    library: Path, tmp_path: Path
) -> None:
    rows = by_quantity(monitored(library, "hopper_mig", tmp_path, 3))
    assert rows["0:1", "SM active (%)"]["mean"] == 80.25
    assert rows["0:1", "DRAM bandwidth used (%)"]["mean"] == 55.75
    # The scene tells an instance's traffic as little as a whole GPU's activity under MIG.
    assert "Not Supported" in str(rows["0:1", "PCIe sent (MiB/s)"]["reason for n/a"])
    assert rows["0", "SM active (%)"]["reason for n/a"] == "Not Supported"
    assert rows["0", "power (W)"]["mean"] == 512.25
    assert rows["0:1", "power (W)"]["reason for n/a"] == "Not Supported"


def test_power_is_that_of_the_moment_and_new_calls_come_first(
    library: Path, tmp_path: Path
) -> None:
    file = monitored(library, "ampere", tmp_path, 2)
    rows = by_quantity(file)
    assert rows["0", "power (W)"]["mean"] == 222.5  # the scene's mean of a second is 200
    assert set(column(file, "0", "power.source")) == {"instant"}
    # The scene has these in the new calls only.
    assert rows["0", "temperature (C)"]["mean"] == 50
    assert set(column(file, "0", "clocks_throttle_reasons.sw_power_cap")) == {"Not Active"}
    assert rows["0", "SM active (%)"]["reason for n/a"] == "Not Supported"


def test_an_old_driver_is_asked_in_its_own_words(old_library: Path, tmp_path: Path) -> None:
    file = monitored(old_library, "two_gpus", tmp_path, 2)
    rows = by_quantity(file)
    assert rows["0", "power (W)"]["mean"] == 250.5
    assert set(column(file, "0", "power.source")) == {"nvmlDeviceGetPowerUsage"}
    assert rows["0", "temperature (C)"]["mean"] == 61
    assert by_gpu(file)["0"]["throttled (%)"] == 100
    assert rows["0", "SM active (%)"]["reason for n/a"] == "Function Not Found"


def test_energy_is_the_growth_of_the_counter(library: Path, tmp_path: Path) -> None:
    file = monitored(library, "hopper", tmp_path, 3)
    row = by_gpu(file)["0"]
    # The scene: 250.5 J more at each question, and one question a sample.
    assert row["energy (J)"] == pytest.approx(250.5 * (int(str(row["samples"])) - 1))
    assert row["energy from"] == "counter"
    assert ("0", "energy counter (J)") not in by_quantity(file)


@pytest.mark.parametrize(
    ("scene", "joules", "source"),
    [
        ("hopper", 250.5, "energy counter"),
        ("two_gpus", None, "no energy counter: Not Supported"),
        ("hopper_mig", None, "a MIG instance's share of its GPU's energy is not told"),
        ("no_gpu", None, "NVML counts no GPU"),
    ],
)
def test_a_window_has_the_energy_between_its_edges(
    library: Path, tmp_path: Path, scene: str, joules: float | None, source: str
) -> None:
    done = ran(library, scene, "-c", METERED, tmp_path)
    assert done.returncode == 0, done.stderr
    whole, rest = (Throughput.model_validate_json(line) for line in done.stderr.splitlines())
    assert (whole.energy_joules, whole.energy_source) == (joules, source)
    assert whole.joules_per_image == (joules and joules / 20)  # two iterations of ten images
    assert whole.began is not None
    assert whole.ended is not None
    assert whole.began < whole.ended
    assert (rest.began, rest.energy_joules) == (None, None)  # its first edge was before its start
    if joules:
        assert rest.energy_source == "the training continued or ended inside the window"


@pytest.mark.parametrize(
    ("device", "processes", "machines", "told"),
    [
        ("cuda", 1, 1, "1000.0 "),
        ("cuda", 2, 1, "3000.0 "),  # 1000 J of one GPU and 2000 J of the other
        ("cuda", 2, 2, "None the GPUs of the other machines cannot be read here"),
        ("cpu", 2, 1, "None trained on a CPU"),
    ],
)
def test_the_energy_is_of_the_gpus_that_the_processes_train_on(
    library: Path, device: str, processes: int, machines: int, told: str
) -> None:
    done = ran(library, "two_counters", "-c", COUNTED, device, str(processes), str(machines))
    assert (done.stdout, done.stderr) == (told + "\n", "")


def test_a_gpus_settings_are_recorded_and_what_is_not_told_is_left_out(library: Path) -> None:
    assert json.loads(ran(library, "hopper", "-c", SETTINGS).stdout) == {
        "gpu_power_limit_watts": 700.0,
        "gpu_clock_sm_max_mhz": 1980,
        "gpu_clock_memory_max_mhz": 2619,
        "gpu_clock_sm_default_mhz": 1980,
        "gpu_clock_memory_default_mhz": 2619,
        "gpu_clock_sm_application_mhz": 1500,
        "gpu_clock_memory_application_mhz": 2619,
        "gpu_persistence_mode": "enabled",
        "gpu_ecc_mode": "enabled",
        "gpu_compute_mode": "exclusive process",
    }
    of_an_instance = json.loads(ran(library, "hopper_mig", "-c", SETTINGS).stdout)
    assert of_an_instance["gpu_power_limit_watts"] == 700.0  # its GPU's
    assert json.loads(ran(library, "two_gpus", "-c", SETTINGS).stdout) == {}


def test_a_gpu_that_is_lost_midway_says_so_and_the_other_goes_on(
    library: Path, tmp_path: Path
) -> None:
    file = monitored(library, "lost_midway", tmp_path, 6)
    with file.open() as stream:
        samples = list(csv.DictReader(stream))
    power = {gpu: [r["power.draw [W]"] for r in samples if r["gpu"] == gpu] for gpu in ("0", "1")}
    # The scene: lost from the fourth question for the memory on, the survey's being the first.
    assert power["0"][:2] == ["250.50"] * 2
    assert set(power["0"][2:]) == {"[N/A: GPU is lost]"}
    assert power["1"] == ["250.50"] * len(power["0"])
    lost = f"GPU is lost ({len(power['0']) - 2} of {len(power['0'])})"
    assert by_quantity(file)["0", "power (W)"]["reason for n/a"] == lost


def test_a_run_that_hangs_on_a_lost_gpu_is_ended_and_says_so(library: Path, tmp_path: Path) -> None:
    done = ran(library, "lost_midway", "-c", HANGING, tmp_path)
    status, cause = done.stdout.splitlines()[-1].split("|")
    assert status == "failed"
    assert cause == "the GPU was lost during the run: GPU 0: GPU is lost; see dmesg"
    (samples,) = tmp_path.glob("*/*/monitoring.csv")
    assert by_quantity(samples)["1", "power (W)"]["mean"] == 250.5


def test_without_proc_the_other_samples_go_on(tmp_path: Path) -> None:
    file = tmp_path / "monitoring.csv"
    without = "import psutil; psutil.PROCFS_PATH = '/nowhere'\n"
    done = subprocess.run(
        [sys.executable, "-c", without + MONITORED, str(file), f"[ $(wc -l < {file}) -gt 3 ]"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = by_quantity(file)
    assert "No such file" in rows["host", "host memory used (MiB)"]["reason for n/a"]
    assert rows["host", "disk free (MiB)"]["mean"] > 0


def test_what_nvml_will_not_tell_has_its_words(library: Path, tmp_path: Path) -> None:
    rows = by_quantity(monitored(library, "no_permission", tmp_path, 2))
    assert rows["0", "power (W)"]["reason for n/a"] == "Insufficient Permissions"
    assert rows["0", "temperature (C)"]["mean"] == 61
    (tmp_path / "cpu").mkdir()
    rows = by_quantity(monitored(library, "version_mismatch", tmp_path / "cpu", 2))
    watched = rows["host", "GPUs watched"]
    assert watched["reason for n/a"] == "RM has detected an NVML/RM version mismatch."


def test_a_full_disk_ends_the_samples_with_a_whole_row_and_not_the_run(
    library: Path, tmp_path: Path
) -> None:
    file = tmp_path / "monitoring.csv"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))\n"
    done = ran(library, "two_gpus", "-c", limit + MONITORED, file, "true")
    assert (done.returncode, done.stderr) == (0, "")
    # The header fits, a sample of three rows does not, and nothing is left of it.
    assert file.read_text().count("\n") == 1
    assert file.read_text().endswith("run.processes\n")


def test_a_run_on_a_slice_records_which_and_keeps_its_samples(
    library: Path, tmp_path: Path
) -> None:
    done = ran(library, "mig", "-c", RUN, tmp_path)
    assert done.returncode == 0, done.stderr
    record = RunRecord.model_validate_json((Path(done.stdout.strip()) / "run.json").read_bytes())
    assert record.spec.gpu_profile == "A100-80GB-3g.40gb"
    told = {key: value for key, value in record.environment.items() if key.startswith("gpu")}
    assert told == {
        "gpu": "NVIDIA A100-SXM4-80GB MIG 3g.40gb",
        "gpu_uuid": "MIG-44444444-dddd",
        "gpu_profile": "A100-80GB-3g.40gb",
        "gpu_is_mig": True,
        "gpu_parent": "GPU-33333333-cccc",
        "gpu_driver": "550.54.15",
    }
    assert "monitoring.csv" in [measurement.path for measurement in record.measurements]


def test_two_processes_on_two_instances_are_refused(library: Path) -> None:
    done = ran(library, "mig", "-c", TWO_INSTANCES)
    assert "--processes 2: a process sees a single MIG instance" in done.stderr
