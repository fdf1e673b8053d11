/* Stands in for the CUDA driver where there is none.
 *
 * Realm, as the legate wheel has it, is linked with libcuda.so.1. It asks for the driver once, is
 * told that there is no device, and goes on without GPUs. It insists on a pointer for every
 * function that it looks up, but calls none of them. This library must never come before a real
 * driver on a library path.
 */
#include <stddef.h>
#include <string.h>

enum { CUDA_SUCCESS = 0, CUDA_ERROR_NO_DEVICE = 100, CUDA_VERSION = 13000 };

/* By this symbol a program that looks for a driver tells that it found the stub. */
const int mappertune_cuda_stub = 1;

static int no_device(void)
{
    return CUDA_ERROR_NO_DEVICE;
}

int cuInit(unsigned flags)
{
    (void)flags;
    return CUDA_ERROR_NO_DEVICE;
}

int cuDriverGetVersion(int *version)
{
    if (version) *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

int cuGetErrorName(int error, const char **name)
{
    (void)error;
    if (name) *name = "CUDA_ERROR_NO_DEVICE";
    return CUDA_SUCCESS;
}

int cuGetErrorString(int error, const char **text)
{
    (void)error;
    if (text) *text = "no CUDA driver is installed; mappertune's stub stands in for it";
    return CUDA_SUCCESS;
}

int cuMemFreeHost(void *pointer)
{
    (void)pointer;
    return CUDA_ERROR_NO_DEVICE;
}

int cuMemFree_v2(unsigned long long pointer)
{
    (void)pointer;
    return CUDA_ERROR_NO_DEVICE;
}

static void *named(const char *symbol)
{
    static const struct {
        const char *name;
        void *function;
    } KNOWN[] = {
        {"cuInit", (void *)cuInit},
        {"cuDriverGetVersion", (void *)cuDriverGetVersion},
        {"cuGetErrorName", (void *)cuGetErrorName},
        {"cuGetErrorString", (void *)cuGetErrorString},
    };
    for (size_t i = 0; symbol && i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (strcmp(symbol, KNOWN[i].name) == 0) return KNOWN[i].function;
    return (void *)no_device;
}

int cuGetProcAddress(const char *symbol, void **function, int version, unsigned long long flags)
{
    (void)version, (void)flags;
    if (function) *function = named(symbol);
    return CUDA_SUCCESS;
}

int cuGetProcAddress_v2(const char *symbol, void **function, int version,
                        unsigned long long flags, int *status)
{
    if (status) *status = 0;
    return cuGetProcAddress(symbol, function, version, flags);
}
