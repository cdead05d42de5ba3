"""Small valid files of every format, whose right answer can be told by hand."""

from __future__ import annotations

from typing import Any

from detbench.gpus import counters

# Two devices; on device 0 kernels cover [100, 200) and [150, 250) on two streams, a copy
# [300, 350); on device 1 there is one kernel.
NSYS_TABLES = """
create table StringIds (id int, value text);
insert into StringIds values (1, 'sgemm'), (2, 'conv'), (3, 'iteration 5'), (4, 'ncclSend');
create table CUPTI_ACTIVITY_KIND_KERNEL
    ("start" int, "end" int, deviceId int, streamId int, correlationId int, demangledName int);
insert into CUPTI_ACTIVITY_KIND_KERNEL values
    (100, 200, 0, 7, 1, 1), (150, 250, 0, 8, 2, 2), (100, 400, 1, 7, 3, 2);
create table CUPTI_ACTIVITY_KIND_MEMCPY
    ("start" int, "end" int, deviceId int, streamId int, copyKind int);
insert into CUPTI_ACTIVITY_KIND_MEMCPY values (300, 350, 0, 7, 1);
create table NVTX_EVENTS ("start" int, "end" int, eventType int, text text, textId int);
insert into NVTX_EVENTS values (0, 500, 59, null, 3), (0, null, 59, 'open', null),
    (10, 20, 75, 'a domain', null), (1, 2, 59, null, 4);
"""
# nvprof numbers its strings otherwise, and calls the table so where kernels may overlap.
NVPROF_TABLES = """
create table StringTable (_id_ int, value text);
insert into StringTable values (9, 'sgemm');
create table CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL
    (_id_ int, "start" int, "end" int, deviceId int, streamId int, name int);
insert into CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL values (1, 0, 10, 0, 7, 9), (2, 30, 40, 0, 7, 9);
create table CUPTI_ACTIVITY_KIND_KERNEL
    (_id_ int, "start" int, "end" int, deviceId int, streamId int, name int);
create table Version (version int);
"""


NVPROF_TRACE = """==7== NVPROF is profiling process 7, command: ./app
==7== Profiling result:
"Start","Duration","Grid X","Device","Stream","Name"
ms,us,,,,
1.000000,100.000000,,"GeForce GTX 1080 Ti (0)","7","[CUDA memcpy HtoD]"
2.000000,500.000000,391,"GeForce GTX 1080 Ti (0)","7","void k<float>(int, float) [1099]"
3.500000,500.000000,391,"GeForce GTX 1080 Ti (0)","7","sgemm [1106]"
"""


def nvprof_row(start: str, duration: str, name: str, stream: str = "7", context: str = "1",
               device: str = "Tesla P100-PCIE") -> str:  # fmt: skip
    """A line of nvprof's trace as text."""
    cells = (start, duration, "(64 1 1)", "32", "0B", "-", device, context, stream)
    return "".join(f"{cell:>17}" for cell in cells).removeprefix(" " * 7) + f"  {name}\n"


NVPROF_TRACE_TEXT_HEADER = (
    nvprof_row("Start", "Duration", "Name", "Stream", "Context", "Device")
    .replace("(64 1 1)", "Grid Size").replace(" 32 ", "Regs").replace(" 0B ", "Size")
    .replace(" -", " SrcMemType")
)  # fmt: skip
# Busy for 300 us of 100 to 600 us.
NVPROF_TRACE_TEXT = (
    "epoch 1\n==7== NVPROF is profiling process 7, command: ./app\n==7== Profiling result:\n"
    + NVPROF_TRACE_TEXT_HEADER
    + nvprof_row("100.00us", "100.00us", "sgemm_128x64 [101]")
    + nvprof_row("150.00us", "100.00us", "void relu<int>(float*, int) [102]", stream="8")
    + nvprof_row("0.2000ms", "40.000us", "[CUDA memcpy HtoD]")
    + nvprof_row("450.00us", "150.00us", "void relu<int>(float*, int) [103]")
    + "\nRegs: Number of registers used per CUDA thread.\n"
)
NSYS_SUMS = """Processing [x.sqlite] with [cuda_gpu_kern_sum.py]...
Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name
75.0,3000,3,1000.0,1000.0,900,1100,1.0,"void gemm<int, float>(T1)"
25.0,1000,1,1000.0,1000.0,1000,1000,0.0,relu

Processing [x.sqlite] with [cuda_api_sum.py]...
Time (%),Total Time (ns),Num Calls,Avg (ns),Name
100.0,999,9,1.0,cudaLaunchKernel
"""
NVPROF_SUMS = """==7== Profiling result:
"Type","Time(%)","Time","Calls","Avg","Min","Max","Name"
,%,ms,,us,us,us,
"GPU activities",60.0,1.500000,3,500.0,400.0,600.0,"conv2d(float*)"
"GPU activities",40.0,1.000000,1,1000.0,1000.0,1000.0,"[CUDA memcpy HtoD]"
"API calls",100.0,9.000000,9,1000.0,1.0,2.0,"cudaMalloc"
"""


MEMORY = """iteration,phase,category,module,bytes
3,forward,weights,conv1,400
3,forward,activations,conv1,600
3,forward,unattributed,(process),1000
3,forward,total,,2000
3,backward,weights,conv1,400
3,backward,gradients,conv1,400
3,backward,gradients,fc,2800
3,backward,unattributed,(process),400
3,backward,total,,4000
"""


# Two GPUs, interleaved, two seconds apart; the header comes again, as some versions print it.
SMI = """timestamp, index, utilization.gpu [%], memory.used [MiB], power.draw [W], \
clocks_throttle_reasons.sw_power_cap
2023/05/03 12:00:00.000, 0, 50 %, 1000 MiB, 100.00 W, Not Active
2023/05/03 12:00:00.000, 1, [N/A], 10 MiB, 20.00 W, Not Active
timestamp, index, utilization.gpu [%], memory.used [MiB], power.draw [W], \
clocks_throttle_reasons.sw_power_cap
2023/05/03 12:00:02.000, 0, 100 %, 3000 MiB, 200.00 W, Active
2023/05/03 12:00:02.000, 1, [N/A], 10 MiB, 20.00 W, Not Active
"""
# Ours: a MIG instance that is lost in the second sample.
MONITORING = """time [s],utc,gpu,utilization.gpu [%],memory.used [MiB],gpus,run.cpu [cores]
0.000,2026-01-01T00:00:00.000+00:00,host,,,1,
0.000,2026-01-01T00:00:00.000+00:00,0:1,[N/A: Not Supported],500,,
1.000,2026-01-01T00:00:01.000+00:00,host,,,1,1.50
1.000,2026-01-01T00:00:01.000+00:00,0:1,[N/A: Not Supported],[N/A: GPU is lost],,
"""
DMON = """# gpu   pwr gtemp    sm   mem  mclk  pclk
# Idx     W     C     %     %   MHz   MHz
    0    60    40    90    10  5000  1400
    0    80     -    10    10  5000  1500
"""
DMON_DATED = """#Date     Time     gpu   pwr gtemp    sm   mem  mclk  pclk
#YYYYMMDD HH:MM:SS Idx     W     C     %     %   MHz   MHz
 20260704 23:59:58   0   100    40    20    10  5000  1400
 20260705 00:00:00   0   300     -    60    10  5000  1500
 20260705 00:00:02   0   200    42    70    10  5000  1500
"""
PMON = """# gpu      pid  type    sm   mem    fb    command
# Idx        #   C/G     %     %    MB    name
    0     7001   C    30     5   400    python
    0     7002   C+G  20     5   200    some thing
    1        -   -     -     -     -    -
    0     7001   C    30     5   400    python
    0     7002   C+G  20     5   200    some thing
    0     7004   C    10     5   100    python
    1     7003   C    80     5   300    python
"""
DCGMI = """#Entity   GPUTL  SMACT  TENSO  POWER
ID                              W
GPU 0     50     0.200  0.100  100.0
GPU-I 1   N/A    0.700  0.300  N/A
GPU 0     30     0.300  0.100  120.0
GPU-I 1   N/A    0.800  0.300  N/A
"""


def ncu_launch(name: str, rows: dict[str, str], ending: str = ", Device 0, CC 8.0") -> str:
    """A launch as Nsight Compute's console shows it; values with their units in front."""
    line = "    " + "-" * 40 + " ----------- ------------\n"
    told = "".join(f"    {label:60} {value:>24}\n" for label, value in rows.items())
    return (
        f"  {name} (64, 1, 1)x(256, 1, 1), Context 1, Stream 7{ending}\n"
        f"    Section: Command line profiler metrics\n{line}"
        f"    Metric Name            Metric Unit Metric Value\n{line}{told}{line}\n"
    )


NCU_TEXT = "==PROF== Connected to process 7 (/usr/bin/python3)\n[7] python3@127.0.0.1\n" + "".join(
    ncu_launch(
        name,
        {
            "sm__cycles_elapsed.max": f"cycle        {cycles}",
            "sm__pipe_fma_cycles_active.avg.pct_of_peak_sustained_elapsed": f"%        {share}",
        },
    )
    for name, cycles, share in [("sgemm(float *)", "3,000", "40.00"), ("relu", "1,000", "8.00")]
)
NCU_DETAILS = """==PROF== Connected to process 77
"ID","Process ID","Process Name","Kernel Name","Device","CC","Section Name","Metric Name",\
"Metric Unit","Metric Value"
"0","77","train","gemm_a","0","8.6","Speed Of Light","Elapsed Cycles","cycle","30,000"
"0","77","train","gemm_a","0","8.6","Compute","SM: Pipe Fma Cycles Active","%","40.5"
"0","77","train","gemm_a","0","8.6","Compute","SM: Pipe Tensor Cycles Active","%","20"
"1","77","train","relu_b","0","8.6","Speed Of Light","Elapsed Cycles","cycle","10,000"
"1","77","train","relu_b","0","8.6","Compute","SM: Pipe Fma Cycles Active","%","8.5"
"1","77","train","relu_b","0","8.6","Compute","SM: Pipe Tensor Cycles Active","%","4"
"""
NCU_WIDE = """==PROF== Connected to process 4711
"ID","Process ID","Process Name","Kernel Name","Device","gpc__cycles_elapsed.max","{fma}"
"","","","","","Kcycle","%"
"0","4711","python","sgemm","1","1.00","50.00"
"1","4711","python","conv","1","3.00","n/a"
""".replace("{fma}", counters.METRICS["fma"][0])


DETECTRON2_LOG = """\x1b[32m[11/24 10:00:00 d2.config]: \x1b[0mRunning with full config:
  IMS_PER_BATCH: 16
[11/24 10:01:00 d2.utils.events]:  eta: 0:01:30  iter: 19  total_loss: 1.7  time: 0.2393  \
last_time: 0.25  data_time: 0.0080  last_data_time: 0.0070   lr: 0.0078
[11/24 10:01:10 d2.utils.events]:  eta: 0:01:17  iter: 39  total_loss: 1.3    time: 0.2238  \
last_time: 0.21  data_time: 0.0070  last_data_time: 0.0065   lr: 0.0156  max_mem: 3000M
[11/24 10:02:00 d2.evaluation.testing]: copypaste: Task: bbox
[11/24 10:02:00 d2.evaluation.testing]: copypaste: AP,AP50,AP75,APs,APm,APl
[11/24 10:02:00 d2.evaluation.testing]: copypaste: 19.8480,38.0490,19.1081,20.4313,34.4428,nan
"""
# Iterations 1 to 10 take 1 s each, 11 to 20 half a second, 21 to 30 a quarter.
MRCNN_BENCHMARK_LOG = "".join(
    f"2020-03-0{day} 10:00:{second:02},000 maskrcnn_benchmark.trainer INFO: eta: 1:00:00"
    f"  iter: {number}  loss: 1.5 (1.6)  time: {middle:.4f} ({mean:.4f})"
    f"  data: 0.0500 ({wait:.4f})  lr: 0.020000  max mem: 3150\n"
    for day, second, number, middle, mean, wait in (
        (1, 10, 10, 1.0, 1.0, 0.1),
        (1, 15, 20, 0.5, 0.75, 0.1),
        (1, 18, 30, 0.25, 0.5833, 0.1),
    )
)
# Two epochs of 7 iterations, a report every 3: the last of each epoch has none.
MMDET_LOG = "".join(
    f"2021-02-03 04:05:0{number},000 - mmdet - INFO - Epoch [{epoch}][{inner}/7]\t"
    f"lr: 1.000e-02, eta: 1 day, 1:00:00, time: {time:.3f}, data_time: 0.100, memory: 3028, "
    "loss_cls: 1.2, loss: 1.7645\n"
    for number, (epoch, inner, time) in enumerate(((1, 3, 2), (1, 6, 1), (2, 3, 0.5), (2, 6, 0.4)))
)
MMDET_3_LOG = "".join(
    f"2023/02/03 04:05:0{number} - mmengine - INFO - Epoch(train)  [{epoch}][{inner}/7]"
    f"  base_lr: 1.0000e-02 lr: 1.0000e-02  eta: 1:00:00  time: {time:.4f}  data_time: 0.1000"
    "  memory: 3028  loss: 1.7645  loss_cls: 1.2\n"
    for number, (epoch, inner, time) in enumerate(((1, 3, 2), (1, 6, 1), (2, 3, 0.5), (2, 6, 0.4)))
)
MMDET_JSON = '{"env_info": "sys.platform: linux", "seed": 0}\n' + "".join(
    f'{{"mode": "train", "epoch": {epoch}, "iter": {inner}, "lr": 0.01, "data_time": 0.1, '
    f'"loss": 1.7, "time": {time}}}\n'
    for epoch, inner, time in ((1, 3, 2.0), (1, 6, 1.0), (2, 3, 0.5), (2, 6, 0.4))
)
MMDET_3_JSON = "".join(
    f'{{"lr": 0.01, "data_time": 0.1, "loss": 1.7, "time": {time}, "epoch": {epoch}, '
    f'"iter": {step}, "memory": 3028, "step": {step}}}\n'
    for epoch, step, time in ((1, 3, 2.0), (1, 6, 1.0), (2, 10, 0.5), (2, 13, 0.4))
)
_RULES = "-" * 24 + ("  " + "-" * 12) * 8 + "  \n"


def _row(*cells: str) -> str:
    return f"{cells[0]:>24}" + "".join(f"  {cell:>12}" for cell in cells[1:]) + "  \n"


# A range of the program's own, an operator, two kernels, a copy: 6 + 3 + 1 ms on the GPU.
KEY_AVERAGES = (
    "Epoch 1 is done\n"
    + _RULES
    + _row("Name", "Self CPU %", "Self CPU", "CPU total", "Self CUDA", "Self CUDA %", "CUDA total",
           "CUDA Mem", "# of Calls")
    + _RULES
    + _row("my_step", "50.00%", "4.000ms", "8.000ms", "0.000us", "0.00%", "9.000ms", "0 b", "1")
    + _row("my_step", "0.00%", "0.000us", "0.000us", "9.500ms", "95.00%", "9.500ms", "0 b", "1")
    + _row("aten::mm", "50.00%", "4.000ms", "4.000ms", "0.000us", "0.00%", "6.000ms", "1 Kb", "3")
    + _row("void gemm<float, 4>", "0.00%", "0.000us", "0.000us", "6.000ms", "60.00%", "6.000ms",
           "0 b", "3")
    + _row("relu_kernel", "0.00%", "0.000us", "0.000us", "3.000ms", "30.00%", "3.000ms", "0 b", "6")
    + _row("Memcpy HtoD (Pinned)", "0.00%", "0.000us", "0.000us", "1000.000us", "10.00%",
           "1000.000us", "0 b", "2")
    + _RULES
    + "Self CPU time total: 8.000ms\nSelf CUDA time total: 10.000ms\n"
)  # fmt: skip


# Two kernels on device 1 that overlap by 500 ns, and a copy.
NSYS_TRACE = """Processing [x.sqlite] with [gputrace.py]...
Start (ns),Duration (ns),CorrId,Bytes (MB),Device,Ctx,Strm,Name
1700000000000001000,1000,1,None,H100 (1),1,7,"void gemm<int, float>(T1)"
1700000000000001500,2000,2,None,H100 (1),1,8,relu
1700000000000005000,300,3,4.0,H100 (1),1,7,[CUDA memcpy Host-to-Device]
"""
NSYS_TRACE_COLUMN = """
 ** CUDA GPU Trace (gputrace):

 Start (ns)  Duration (ns)  CorrId   Device   Ctx  Strm           Name
 ----------  -------------  ------  --------  ---  ----  --------------------
      1,000          1,000       1  H100 (1)    1     7  void gemm<int, floa…
      1,500          2,000       2  H100 (1)    1     8  relu
      5,000            300       3  H100 (1)    1     7  [CUDA memcpy HtoD]
"""
NSYS_SUMS_COLUMN = """
 Time(%)  Total Time (ns)  Instances   Name
 -------  ---------------  ---------  ------
    75.0            3,000      1,003  gemm_1
    25.0            1,000          1  relu

"""
NVPROF_TEXT = """the program's own word
==42== Profiling result:
            Type  Time(%)      Time     Calls       Avg       Min       Max  Name
 GPU activities:   60.00%  1.5000ms         3  500.00us  400.00us  600.00us  conv2d(float*, int)
                   30.00%  750.00us         2  375.00us  370.00us  380.00us  [CUDA memcpy HtoD]
                   10.00%  250.00us         1  250.00us  250.00us  250.00us  relu(float*)
      API calls:   99.00%  2.00000s         9  10.000us     100ns  9.0000ms  cudaMalloc
"""


NVPROF_LEVELS = """==9== NVPROF is profiling process 9, command: ./a
==9== Metric result:
"Device","Kernel","Invocations","Metric Name","Metric Description","Min","Max","Avg"
"V (0)","gemm(int)",3,"sm_efficiency","Multiprocessor Activity",90.0%,91.0%,90.5%
"V (0)","gemm(int)",3,"tensor_precision_fu_utilization","Tensor","Mid (4)","Max (10)","High (8)"
"V (0)","relu(int)",1,"sm_efficiency","Multiprocessor Activity",90.0%,91.0%,90.5%
"V (0)","relu(int)",1,"tensor_precision_fu_utilization","Tensor","Idle (0)","Idle (0)","Idle (0)"
"""
NVPROF_LEVELS_TEXT = """==9== NVPROF is profiling process 9, command: ./a
==9== Metric result:
Invocations            Metric Name         Metric Description         Min         Max         Avg
Device "V (0)"
    Kernel: gemm(int)
          3         sm_efficiency     Multiprocessor Activity      90.00%      91.00%      90.50%
          3  tensor_precision_fu_utilization   Tensor (FP16) Use     Mid (4)    Max (10)    High (8)
    Kernel: relu(int)
          1  tensor_precision_fu_utilization   Tensor (FP16) Use    Idle (0)    Idle (0)    Idle (0)
"""


DLPROF_KERNELS = """Kernel Report
Kernel Name,Op ID,Op Name,Direction,Uses TC,Total GPU Time (ns),Avg GPU Time (ns),Min GPU Time (ns)
"volta_h884gemm_64x64","op_1","fc, the last",fprop,yes,3000,1000,900
"relu<int, float>","op_2",relu,fprop,no,1000,500,400
"""
# Iteration 2 begins 1000 ns after the end of iteration 1. The name of an op holds a newline.
DLPROF_ITERATIONS = """Iteration Report
Iteration,Op ID,Op Name,Kernel Name,Device ID,GPU Start Time (ns),GPU Duration (ns),Uses TC
1,op_1,"fc
in layer 1","gemm, tensor",0,1000,2000,yes
1,op_2,relu,relu,0,2000,2000,no
2,op_1,fc,"gemm, tensor",0,5000,3000,yes
"""
DLPROF_SUMMARY = """System Config
GPU Count,2
GPU Name(s),GPU A, GPU A
DLProf Version,v1.8.0

Summary Report
Wall Clock Time (ns),9000000
GPU Utilization %,0.1
Average Iteration Time (ns),4500000.5

All Ops
,GPU Time (ns),CPU Time (ns),# Ops
All ops,4000,9,2

All Kernels
,GPU Time (ns),CPU Time (ns),# Kernels
All kernels,5000,90,17
Kernels using TC,3000,20,2
Memory,1000,30,4
All other kernels,1000,40,11
"""
DLPROF_TENSOR_CORES = """Tensor Core Report
Op ID,Op Name,Direction,Op Type,Uses TC,Total GPU Time (ns),TC GPU Time (ns),Non-TC GPU Time (ns),\
TC Utilization (%),Total Kernel Count,TC Kernel Count,TC Kernel Names,Non-TC Kernel Count,\
Non-TC Kernel Names
"CONV_1","/conv, the first",fprop,"conv2d",yes,4000,3000,1000,75.0,3,2,"a, b",1,"c"
"LINEAR_1","/fc",fprop,"linear",yes,500,500,0,100.0,1,1,"d",0,""
"""
# Iteration 4 lasts from 1000 to 11000; iteration 3 was not aggregated.
DLPROF_DATABASE = """
create table read_only_system_config (dlprof_version text);
insert into read_only_system_config values ('v1.8.0');
create table dictionary (id int, string text);
insert into dictionary values (1, 'gemm'), (2, 'relu');
create table read_only_kernels
  (id int, name_id int, uses_tc boolean, gpu_start int, gpu_stop int, device_id int);
insert into read_only_kernels values
  (1, 2, 0, 100, 900, 0), (2, 1, 1, 2000, 4000, 0), (3, 2, 0, 3000, 5000, 0),
  (4, 1, 1, 9000, 11000, 0);
create table read_only_memcpys (gpu_start int, gpu_stop int, device_id int);
insert into read_only_memcpys values (5000, 6000, 0);
create table read_only_memsets (gpu_start int, gpu_stop int, device_id int);
create table iteration_list (aggr_id int, iter_value int, start_time int, stop_time int);
insert into iteration_list values (1, 3, 0, 1000), (1, 4, 1000, 11000);
create table iteration_aggregation_list (aggr_id int, iter_value int);
insert into iteration_aggregation_list values (1, 4);
"""


# In KiB: the peak is in forward; an iteration of two phases, and the device's two levels.
_KIB = (
    (3, "forward", 10, 2, 400, 0, 400, 0, 600, 100, 50, 20, 2000, 3570, 2000, 3570),
    (3, "forward", 30, 9, 400, 0, 400, 0, 900, 100, 90, 20, 1660, 3570, 2000, 3570),
    (3, "backward", 50, 4, 400, 0, 500, 0, 300, 100, 10, 20, 2500, 3830, 2000, 3830),
)
MEMORY_CURVE = """iteration,phase,time (ns),changes,weights (bytes),buffers (bytes),\
gradients (bytes),optimizer state (bytes),activations (bytes),inputs (bytes),temporaries (bytes),\
others (bytes),unattributed (bytes),total (bytes),allocated (bytes),device used (bytes)
""" + "".join(
    ",".join(map(str, (*row[:4], *(size * 1024 for size in row[4:])))) + "\n" for row in _KIB
)
TBD_MEMORY = """epoch,iteration,peak_allocated,peak_cached,current_cached,total_activation_usage,\
total_weight_usage,conv.weight,fc.weight,total_gradient_usage,conv.weight_grad,fc.weight_grad,\
intermediate_grads
1,1,100,120,110,30,21,10,10,20,10,0,10
1,2,200,220,210,60,21,10,10,80,10,10,60
2,1,200,220,210,500,21,10,10,20,10,0,10
"""
# Weights 100; then activations 50 and 30 unknown; 50 of activations become gradients; all freed.
MEMORY_TIMELINE = [
    [-1, 1, 100, 0], [5_000_000, 2, 50, 4], [6_000_000, 2, 30, 7], [7_000_000, 3, -50, 4],
    [7_000_000, 3, 50, 5], [8_000_000, 4, -30, 7], [9_000_000, 4, -50, 5],
]  # fmt: skip


def event(
    name: str, ts: float, dur: float, cat: str = "kernel", device: int = 0, stream: int = 7
) -> dict[str, Any]:
    arguments = {"device": device, "stream": stream}
    return {"ph": "X", "cat": cat, "name": name, "ts": ts, "dur": dur, "args": arguments}


# A snapshot of PyTorch's CUDA allocator. Blocks are rounded to 512 bytes; 1000 bytes at address 1
# were there before the recording.
SNAPSHOT: dict[str, Any] = {
    "segments": [
        {
            "device": 0, "address": 0, "total_size": 4096, "allocated_size": 1536,
            "active_size": 1536, "stream": 0, "segment_type": "small",
            "blocks": [
                {"address": 1, "size": 1024, "requested_size": 1000, "state": "active_allocated",
                 "frames": []},
                {"address": 2, "size": 2560, "requested_size": 2500, "state": "inactive"},
                {"address": 3, "size": 512, "requested_size": 500, "state": "active_allocated",
                 "frames": []},
            ],
        }
    ],
    "device_traces": [
        [
            {"action": "segment_alloc", "addr": 0, "size": 4096, "stream": 0, "time_us": 1000},
            {"action": "alloc", "addr": 2, "size": 2500, "stream": 0, "time_us": 2000, "frames": [
                {"name": "conv2d", "filename": "/x/site-packages/torch/nn.py", "line": 5},
                {"name": "forward", "filename": "/home/me/model.py", "line": 7},
            ]},
            {"action": "alloc", "addr": 3, "size": 500, "stream": 0, "time_us": 3000, "frames": []},
            {"action": "free_requested", "addr": 2, "size": 2500, "stream": 0, "time_us": 3500},
            {"action": "oom", "device_free": 0, "size": 9, "stream": 0, "time_us": 3600},
            {"action": "free_completed", "addr": 2, "size": 2500, "stream": 0, "time_us": 4000},
        ]
    ],
    "allocator_settings": {"expandable_segments": False, "max_split_size": -1, "x": 0.5},
}  # fmt: skip
