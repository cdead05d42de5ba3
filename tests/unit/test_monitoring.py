from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detbench.errors import BadFileError
from detbench.readers.monitoring import read_monitoring
from detbench.utilization import monitor
from tests.builders import DMON, MONITORING, SMI


def file(folder: Path, content: str) -> Path:
    path = folder / "gpu.csv"
    path.write_text(content)
    return path


def quantities(path: Path) -> dict[tuple[str, str], float]:
    table = monitor.by_quantity(read_monitoring(path))
    return {(row["gpu"], row["quantity"]): row["mean"] for _, row in table.iterrows()}


def test_gpus_are_told_apart_and_what_is_not_told_is_nan(tmp_path: Path) -> None:
    mean = quantities(file(tmp_path, SMI))
    assert mean["0", "utilization (%)"] == 75
    assert mean["0", "memory used (MiB)"] == 2000
    assert mean["1", "power (W)"] == 20
    assert mean["1", "utilization (%)"] != mean["1", "utilization (%)"]  # NaN, as under MIG


def test_energy_is_the_area_under_the_power_and_throttling_a_share(tmp_path: Path) -> None:
    first, second = monitor.by_gpu(read_monitoring(file(tmp_path, SMI))).to_dict("records")
    assert (first["energy (J)"], second["energy (J)"]) == (300, 40)  # (100 + 200) / 2 W for 2 s
    assert first["duration (s)"] == 2
    assert (first["throttled (%)"], second["throttled (%)"]) == (50, 0)


def test_without_units_and_with_quotes_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "gpu.csv"
    path.write_bytes(b'\xef\xbb\xbf"t","powerW","hwSlowdown"\r\n"0.25","4.65","Not Active"\r\n')
    samples = read_monitoring(path)
    assert samples["power (W)"].tolist() == [4.65]
    assert samples["throttled"].tolist() == [0]


def test_dmon(tmp_path: Path) -> None:
    mean = quantities(file(tmp_path, DMON))
    assert mean["0", "power (W)"] == 70
    assert mean["0", "utilization (%)"] == 50
    assert mean["0", "temperature (C)"] == 40  # the other sample says -
    assert mean["0", "SM clock (MHz)"] == 1450


def test_our_file_says_why_a_quantity_was_not_told_and_leaves_out_what_a_row_lacks(
    tmp_path: Path,
) -> None:
    rows = monitor.by_quantity(read_monitoring(file(tmp_path, MONITORING))).to_dict("records")
    found = {(row["gpu"], row["quantity"]): row for row in rows}
    assert set(found) == {
        ("0:1", "utilization (%)"),
        ("0:1", "memory used (MiB)"),
        ("host", "GPUs watched"),
        ("host", "run's CPU (cores)"),
    }
    assert found["0:1", "utilization (%)"]["reason for n/a"] == "Not Supported"
    assert found["0:1", "memory used (MiB)"]["reason for n/a"] == "GPU is lost (1 of 2)"
    assert found["0:1", "memory used (MiB)"]["mean"] == 500
    assert found["host", "run's CPU (cores)"]["mean"] == 1.5  # the first sample has no rate
    assert found["host", "run's CPU (cores)"]["reason for n/a"] == ""


def test_the_gpus_counter_comes_before_its_power_unless_it_was_reset(tmp_path: Path) -> None:
    def energies(*counted: str) -> tuple[object, object, object]:
        lines = ["time [s],gpu,power.draw [W],energy.total [J],gpus"]
        lines += [f"{second}.0,0,100,{joules}," for second, joules in enumerate(counted)]
        samples = read_monitoring(file(tmp_path, "\n".join(lines) + "\n"))
        (row,) = monitor.by_gpu(samples).to_dict("records")
        return row["energy (J)"], row["energy from"], row["reason for n/a"]

    assert energies("5000.5", "5110", "5250.5") == (250, "counter", "")
    assert energies("5000", "[N/A: Unknown Error]", "5250") == (250, "counter", "")
    by_power = (200, "power samples", "")  # 100 W for 2 s
    assert energies("5000", "5110", "3") == by_power
    assert energies(*["[N/A: Not Supported]"] * 3) == by_power


def test_what_is_missing_of_energy_and_throttling_has_its_reason(tmp_path: Path) -> None:
    content = SMI.replace(" 20.00 W", " [Not Supported]").replace("W, Active", "W, [N/A]")
    first, second = monitor.by_gpu(read_monitoring(file(tmp_path, content))).to_dict("records")
    assert (first["energy (J)"], first["reason for n/a"]) == (300, "throttled: N/A (1 of 2)")
    assert second["energy (J)"] != second["energy (J)"]  # NaN
    assert second["reason for n/a"] == "energy: Not Supported"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SMI.replace("3000 MiB", "3 GiB"), "line 5: '3 GiB' is not a number with a known unit"),
        (SMI.replace(" 200.00 W, Active", " 200"), "line 5: the row is cut short"),
        (SMI.replace("W, Active", "W, Perhaps"), "line 5: 'Perhaps' is neither"),
        (SMI.replace("3000 MiB", ""), "line 5: '' is not a number"),
        (SMI[SMI.index("2023") :], "no header of nvidia-smi"),
        (SMI[: SMI.index("2023")], "no sample"),
        ("index, name\n0, A100\n", "no column of utilization"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(BadFileError, match=words):
        read_monitoring(file(tmp_path, content))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data(), original=st.sampled_from([SMI, DMON, MONITORING]))
def test_damage_anywhere_is_a_table_or_a_refusal(
    tmp_path: Path, data: st.DataObject, original: str
) -> None:
    content = bytearray(original.encode())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.csv"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        samples = read_monitoring(path)
    except BadFileError:
        return
    monitor.by_quantity(samples)
    monitor.by_gpu(samples)
