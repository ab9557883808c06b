/* Counts the steps that change files under one folder, in all processes that load this library, and
 * kills at one of them, just before it is made.
 *
 *   KILL_COUNTER  a file of at least sizeof(struct counter) bytes, shared by all processes
 *   KILL_UNDER    the folder; its absolute path, without a slash at its end
 *
 * Loaded with LD_PRELOAD. Without the two variables nothing is counted.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_STEPS 65536

struct counter {
    uint64_t steps;       /* made or tried so far */
    uint64_t kill_at;     /* 0 for never */
    uint64_t only_leader; /* kill the session's leader alone, instead of its whole group */
    uint8_t kinds[MOST_STEPS];
};

static struct counter *counter;
static char under[PATH_MAX];
static size_t under_length;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("KILL_COUNTER"), *folder = getenv("KILL_UNDER");
    if (!file || !folder || strlen(folder) >= sizeof under)
        return;
    int descriptor = open(file, O_RDWR | O_CLOEXEC);
    if (descriptor < 0)
        return;
    strcpy(under, folder);
    under_length = strlen(under);
    void *mapped = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (mapped != MAP_FAILED)
        counter = mapped;
}

static int inside(const char *path) {
    return strncmp(path, under, under_length) == 0 &&
           (path[under_length] == '/' || path[under_length] == '\0');
}

static int path_of(int descriptor, char *path) {
    char link[64];
    if (descriptor == AT_FDCWD)
        return getcwd(path, PATH_MAX) != NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = '\0';
    return 1;
}

static void step(char kind) {
    uint64_t number = __sync_add_and_fetch(&counter->steps, 1);
    if (number <= MOST_STEPS)
        counter->kinds[number - 1] = (uint8_t)kind;
    if (number != counter->kill_at)
        return;
    if (!counter->only_leader)
        kill(0, SIGKILL);
    else
        kill(getsid(0), SIGKILL);
}

static void step_on_file(char kind, int descriptor) {
    char path[PATH_MAX];
    if (counter && path_of(descriptor, path) && inside(path))
        step(kind);
}

static void step_on_path(char kind, int folder, const char *path) {
    char base[PATH_MAX];
    if (!counter || !path)
        return;
    if (path[0] == '/' ? inside(path) : path_of(folder, base) && inside(base))
        step(kind);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define ON_FILE(kind, result, name, parameters, arguments)                                         \
    result name parameters {                                                                       \
        step_on_file(kind, descriptor);                                                            \
        return REAL(name) arguments;                                                               \
    }

ON_FILE('w', ssize_t, write, (int descriptor, const void *data, size_t size),
        (descriptor, data, size))
ON_FILE('w', ssize_t, writev, (int descriptor, const struct iovec *parts, int count),
        (descriptor, parts, count))
ON_FILE('w', ssize_t, pwrite, (int descriptor, const void *data, size_t size, off_t at),
        (descriptor, data, size, at))
ON_FILE('w', ssize_t, pwrite64, (int descriptor, const void *data, size_t size, off64_t at),
        (descriptor, data, size, at))
ON_FILE('w', ssize_t, pwritev, (int descriptor, const struct iovec *parts, int count, off_t at),
        (descriptor, parts, count, at))
ON_FILE('w', ssize_t, pwritev64, (int descriptor, const struct iovec *parts, int count, off64_t at),
        (descriptor, parts, count, at))
ON_FILE('t', int, ftruncate, (int descriptor, off_t size), (descriptor, size))
ON_FILE('t', int, ftruncate64, (int descriptor, off64_t size), (descriptor, size))
ON_FILE('s', int, fsync, (int descriptor), (descriptor))
ON_FILE('s', int, fdatasync, (int descriptor), (descriptor))

#define ON_PATH(kind, folder, result, name, parameters, arguments)                                 \
    result name parameters {                                                                       \
        step_on_path(kind, folder, path);                                                          \
        return REAL(name) arguments;                                                               \
    }

ON_PATH('r', AT_FDCWD, int, rename, (const char *old, const char *path), (old, path))
ON_PATH('r', folder, int, renameat, (int from, const char *old, int folder, const char *path),
        (from, old, folder, path))
ON_PATH('l', AT_FDCWD, int, link, (const char *old, const char *path), (old, path))
ON_PATH('l', folder, int, linkat,
        (int from, const char *old, int folder, const char *path, int flags),
        (from, old, folder, path, flags))
ON_PATH('u', AT_FDCWD, int, unlink, (const char *path), (path))
ON_PATH('u', folder, int, unlinkat, (int folder, const char *path, int flags),
        (folder, path, flags))
ON_PATH('u', AT_FDCWD, int, rmdir, (const char *path), (path))
ON_PATH('m', AT_FDCWD, int, mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH('m', folder, int, mkdirat, (int folder, const char *path, mode_t mode),
        (folder, path, mode))

#define OPENS(name, folder, first, arguments)                                                      \
    int name first {                                                                               \
        mode_t mode = 0;                                                                           \
        if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {                                                       \
            va_list rest;                                                                          \
            va_start(rest, flags);                                                                 \
            mode = va_arg(rest, mode_t);                                                           \
            va_end(rest);                                                                          \
        }                                                                                          \
        if (flags & O_CREAT)                                                                       \
            step_on_path('o', folder, path);                                                       \
        return REAL(name) arguments;                                                               \
    }

OPENS(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENS(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENS(openat, folder, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPENS(openat64, folder, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
