/* A libnvidia-ml.so.1 that acts out a scene, for the real nvidia-ml-py to load.
 *
 * The file that NVML_SCENE names has a `key value` a line. `gpu INDEX` and `mig SLOT` begin a GPU
 * and a MIG device of the GPU before; the keys after them are its own. A value `!N` makes the call
 * fail with NVML's error N; a key that is not there is Not Supported, as in the driver.
 * `lost_after N`: from the N+1st question for the memory on, the GPU is lost.
 * With OLD_DRIVER the library lacks the newer calls.
 * Signatures and numbers: nvml.h of CUDA 12.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
       INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15 };

typedef struct Device {
    char keys[64][64], values[64][160];
    int num_keys, slot;         /* slot: of a MIG device, else -1 */
    struct Device *parent;
    int asked;                  /* for its memory */
    int energy_asked;
} Device;

static Device machine, devices[32];
static int num_devices, gpm_samples;

static const char *value(const Device *device, const char *key)
{
    for (int i = 0; i < device->num_keys; i++)
        if (strcmp(device->keys[i], key) == 0)
            return device->values[i];
    return NULL;
}

/* The value of a key, or NVML's error. */
static int ask(Device *device, const char *key, const char **found)
{
    Device *whole = device->parent ? device->parent : device;
    const char *limit = value(whole, "lost_after");
    if (limit && whole->asked > atoi(limit))
        return GPU_IS_LOST;
    *found = value(device, key);
    if (!*found)
        return NOT_SUPPORTED;
    return **found == '!' ? atoi(*found + 1) : OK;
}

static int number(Device *device, const char *key, unsigned *out)
{
    const char *found;
    int code = ask(device, key, &found);
    if (code == OK)
        *out = (unsigned)strtoul(found, NULL, 10);
    return code;
}

static int text(Device *device, const char *key, char *out, unsigned length)
{
    const char *found;
    int code = ask(device, key, &found);
    if (code == OK)
        snprintf(out, length, "%s", found);
    return code;
}

int nvmlInitWithFlags(unsigned flags)
{
    char line[256], key[64], rest[160];
    Device *current = &machine;
    FILE *scene = fopen(getenv("NVML_SCENE"), "r");
    (void)flags;
    if (!scene)
        return UNINITIALIZED;
    if (num_devices == 0 && machine.num_keys == 0)
        while (fgets(line, sizeof line, scene)) {
            if (sscanf(line, "%63s %159[^\n]", key, rest) != 2)
                continue;
            if (strcmp(key, "gpu") == 0 || strcmp(key, "mig") == 0) {
                Device *whole = current->parent ? current->parent : current;
                current = &devices[num_devices++];
                current->slot = *key == 'm' ? atoi(rest) : -1;
                current->parent = *key == 'm' ? whole : NULL;
                if (*key == 'm')
                    continue;
            }
            strcpy(current->keys[current->num_keys], key);
            strcpy(current->values[current->num_keys++], rest);
        }
    fclose(scene);
    return value(&machine, "init") ? atoi(value(&machine, "init")) : OK;
}

int nvmlShutdown(void)
{
    if (gpm_samples)
        fprintf(stderr, "%d GPM samples were not freed\n", gpm_samples);
    return OK;
}

const char *nvmlErrorString(int code) { (void)code; return "an error of the scene"; }

int nvmlSystemGetDriverVersion(char *out, unsigned length)
{
    return text(&machine, "driver", out, length);
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = 0;
    for (int i = 0; i < num_devices; i++)
        *count += !devices[i].parent;
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **out)
{
    for (int i = 0; i < num_devices; i++)
        if (!devices[i].parent && (unsigned)atoi(value(&devices[i], "gpu")) == index) {
            const char *found;
            *out = &devices[i];
            return value(*out, "handle") ? ask(*out, "handle", &found) : OK;
        }
    return INVALID_ARGUMENT;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Device **out)
{
    for (int i = 0; i < num_devices; i++)
        if (value(&devices[i], "uuid") && strcmp(value(&devices[i], "uuid"), uuid) == 0) {
            *out = &devices[i];
            return OK;
        }
    return NOT_FOUND;
}

int nvmlDeviceGetName(Device *d, char *out, unsigned length) { return text(d, "name", out, length); }
int nvmlDeviceGetUUID(Device *d, char *out, unsigned length) { return text(d, "uuid", out, length); }

int nvmlDeviceGetCudaComputeCapability(Device *device, int *major, int *minor)
{
    const char *found;
    int code = ask(device, "capability", &found);
    return code != OK ? code : sscanf(found, "%d.%d", major, minor) == 2 ? OK : NOT_SUPPORTED;
}

int nvmlDeviceGetMigMode(Device *device, unsigned *current, unsigned *pending)
{
    int code = number(device, "mig_mode", current);
    *pending = *current;
    return code;
}

int nvmlDeviceGetMaxMigDeviceCount(Device *device, unsigned *count)
{
    (void)device;
    *count = 7;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, unsigned index, Device **out)
{
    const char *found;
    for (int i = 0; i < num_devices; i++)
        if (devices[i].parent == device && devices[i].slot == (int)index) {
            *out = &devices[i];
            return value(*out, "handle") ? ask(*out, "handle", &found) : OK;
        }
    return NOT_FOUND;
}

typedef struct { unsigned long long total, free, used; } Memory;

static int memory(Device *device, Memory *out, unsigned long long *reserved)
{
    const char *found;
    int code;
    (device->parent ? device->parent : device)->asked++;
    code = ask(device, "memory", &found);
    if (code != OK)
        return code;
    *reserved = 0;
    if (sscanf(found, "%llu %llu %llu", &out->total, &out->used, reserved) < 2)
        return NOT_SUPPORTED;
    out->total <<= 20, out->used <<= 20, *reserved <<= 20;
    out->free = out->total - out->used - *reserved;
    return OK;
}

/* `memory TOTAL USED RESERVED`, in MiB; the last is the driver's and may be missing. */
int nvmlDeviceGetMemoryInfo(Device *device, Memory *out)
{
    unsigned long long reserved;
    int code = memory(device, out, &reserved);
    if (code == OK)
        out->used += reserved; /* this call does not tell them apart */
    return code;
}

#ifndef OLD_DRIVER
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory_v2;

int nvmlDeviceGetMemoryInfo_v2(Device *device, Memory_v2 *out)
{
    Memory found;
    int code = memory(device, &found, &out->reserved);
    if (code == OK)
        out->total = found.total, out->free = found.free, out->used = found.used;
    return code;
}
#endif

int nvmlDeviceGetUtilizationRates(Device *device, unsigned out[2])
{
    return number(device, "utilization", &out[0]);
}

int nvmlDeviceGetPowerUsage(Device *d, unsigned *milliwatts) { return number(d, "power", milliwatts); }

int nvmlDeviceGetTemperature(Device *device, int sensor, unsigned *out)
{
    (void)sensor;
    return number(device, "temperature", out);
}

int nvmlDeviceGetClockInfo(Device *device, int type, unsigned *out) /* 1: SM, 2: memory */
{
    return number(device, type == 1 ? "clock_sm" : "clock_mem", out);
}

int nvmlDeviceGetCurrentClocksThrottleReasons(Device *device, unsigned long long *out)
{
    unsigned bits = 0;
    int code = number(device, "throttle", &bits);
    *out = bits;
    return code;
}

int nvmlDeviceGetTotalEccErrors(Device *device, int type, int counter, unsigned long long *out)
{
    unsigned count = 0;
    int code = number(device, type == 0 ? "ecc_corrected" : "ecc_uncorrected", &count);
    (void)counter;
    *out = count;
    return code;
}

typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } Process;

int nvmlDeviceGetComputeRunningProcesses_v3(Device *device, unsigned *count, Process *out)
{
    const char *found;
    int code = ask(device, "process", &found); /* `process PID MIB` */
    if (code != OK)
        return code;
    if (*count == 0) {
        *count = 1;
        return INSUFFICIENT_SIZE;
    }
    *count = 1;
    if (sscanf(found, "%u %llu", &out->pid, &out->used) != 2)
        return NOT_SUPPORTED;
    out->used <<= 20;
    return OK;
}

int nvmlDeviceGetTotalEnergyConsumption(Device *device, unsigned long long *millijoules)
{
    const char *found; /* `energy FIRST STEP`: each question finds it a step higher */
    unsigned long long first, step;
    int code = ask(device, "energy", &found);
    if (code != OK)
        return code;
    if (sscanf(found, "%llu %llu", &first, &step) != 2)
        return NOT_SUPPORTED;
    *millijoules = first + step * (unsigned)device->energy_asked++;
    return OK;
}

int nvmlDeviceGetEnforcedPowerLimit(Device *d, unsigned *mw) { return number(d, "power_limit", mw); }

int nvmlDeviceGetMaxClockInfo(Device *device, int type, unsigned *out)
{
    return number(device, type == 1 ? "clock_sm_max" : "clock_mem_max", out);
}

int nvmlDeviceGetClock(Device *device, int type, int id, unsigned *out) /* id 1: set, 2: default */
{
    char key[32];
    snprintf(key, sizeof key, "clock_%s_%s", type == 1 ? "sm" : "mem", id == 1 ? "set" : "default");
    return number(device, key, out);
}

int nvmlDeviceGetPersistenceMode(Device *d, unsigned *out) { return number(d, "persistence", out); }
int nvmlDeviceGetComputeMode(Device *d, unsigned *out) { return number(d, "compute_mode", out); }

int nvmlDeviceGetEccMode(Device *device, unsigned *current, unsigned *pending)
{
    int code = number(device, "ecc_mode", current);
    *pending = *current;
    return code;
}

#ifndef OLD_DRIVER
typedef struct {
    unsigned field, scope;
    long long timestamp, latency;
    int type, code;
    union { unsigned ui; unsigned long long ull; } value;
} FieldValue;

int nvmlDeviceGetFieldValues(Device *device, int count, FieldValue *values) /* 186: instant power */
{
    for (int i = 0; i < count; i++)
        values[i].code = values[i].field == 186
            ? number(device, "power_instant", &values[i].value.ui) : INVALID_ARGUMENT;
    return OK;
}

typedef struct { unsigned version, sensor; int temperature; } Temperature;

int nvmlDeviceGetTemperatureV(Device *device, Temperature *out)
{
    return number(device, "temperature_v", (unsigned *)&out->temperature);
}

int nvmlDeviceGetCurrentClocksEventReasons(Device *device, unsigned long long *out)
{
    unsigned bits = 0;
    int code = number(device, "events", &bits);
    *out = bits;
    return code;
}

int nvmlDeviceGetGpuInstanceId(Device *d, unsigned *out) { return number(d, "gpu_instance", out); }

typedef struct { Device *device; int moment; } GpmSample;
typedef struct { unsigned id; int code; double value; const char *info[3]; } GpmMetric;
typedef struct {
    unsigned version, count;
    GpmSample *before, *now;
    GpmMetric metrics[];
} GpmQuestion;

int nvmlGpmQueryDeviceSupport(Device *device, unsigned support[2])
{
    return number(device, "gpm", &support[1]);
}

int nvmlGpmSampleAlloc(GpmSample **out)
{
    gpm_samples++;
    *out = calloc(1, sizeof **out);
    return OK;
}

int nvmlGpmSampleFree(GpmSample *sample)
{
    gpm_samples--;
    free(sample);
    return OK;
}

int nvmlGpmSampleGet(Device *device, GpmSample *sample)
{
    static int moment;
    const char *found;
    int code = ask(device, "gpm_sample", &found);
    sample->device = device;
    sample->moment = ++moment;
    return code;
}

int nvmlGpmMigSampleGet(Device *device, unsigned instance, GpmSample *sample)
{
    unsigned own;
    for (int i = 0; i < num_devices; i++)
        if (devices[i].parent == device && number(&devices[i], "gpu_instance", &own) == OK
            && own == instance)
            return nvmlGpmSampleGet(&devices[i], sample);
    return NOT_FOUND;
}

int nvmlGpmMetricsGet(GpmQuestion *asked)
{
    const char *found;
    char key[32];
    if (asked->version != 1 || asked->before->device != asked->now->device
        || asked->before->moment >= asked->now->moment)
        return INVALID_ARGUMENT;
    for (unsigned i = 0; i < asked->count; i++) { /* `gpm_ID VALUE` */
        GpmMetric *metric = &asked->metrics[i];
        snprintf(key, sizeof key, "gpm_%u", metric->id);
        metric->code = ask(asked->now->device, key, &found);
        if (metric->code == OK)
            metric->value = strtod(found, NULL);
    }
    return OK;
}
#endif
