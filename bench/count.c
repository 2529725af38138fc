/* A plugin for QEMU's user mode: the user instructions of a process, by thread, and apart those of code that was compiled at run time.
 *
 * Code that a just-in-time compiler made lies in memory that belongs to no file; Envoy's own and the C library's lie in theirs.
 *
 * Driven by a file (`control=PATH`), which is taken away when it was read:
 *   arm          begin to count what is translated from now on: translation without counting is several times faster, and most of
 *                a start is V8's compiler
 *   zero         forget all counts
 *   write PATH   write one line a thread: NUMBER ALL COMPILED
 *
 * The declarations are those of QEMU's plugin interface, version 1 (QEMU 7.2, docs/devel/tcg-plugins.rst).
 */
#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
typedef void (*simple_t)(qemu_plugin_id_t);
typedef void (*translated_t)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*executed_t)(unsigned int, void *);
typedef void (*called_t)(qemu_plugin_id_t, unsigned int, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                         uint64_t, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_t);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, executed_t, int, void *);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, called_t);
void qemu_plugin_reset(qemu_plugin_id_t, simple_t);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { THREADS = 256, RANGES = 8192 };
static struct { uint64_t all, compiled; } counts[THREADS];
static volatile int arming;
static char *control;

/* --- Which memory belongs to a file */

static struct range { uint64_t from, to; int of_file; } ranges[RANGES];
static int known;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void read_ranges(void)
{
    char line[4096];
    FILE *maps = fopen("/proc/self/maps", "r");
    for (known = 0; maps && known < RANGES && fgets(line, sizeof line, maps); known++) {
        struct range *range = &ranges[known];
        range->of_file = strchr(line, '/') != NULL;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64, &range->from, &range->to) != 2)
            known--;
    }
    if (maps)
        fclose(maps);
}

static int is_compiled(uint64_t address)
{
    for (int attempt = 0; attempt < 2; attempt++, read_ranges())
        for (int i = 0; i < known; i++)
            if (ranges[i].from <= address && address < ranges[i].to)
                return !ranges[i].of_file;
    return 1;
}

/* --- Counting. A block's size and kind travel in the pointer that the callback gets. */

static void executed(unsigned int thread, void *block)
{
    uint64_t size = (uintptr_t)block >> 1;
    if (thread >= THREADS)
        return;
    counts[thread].all += size;
    if ((uintptr_t)block & 1)
        counts[thread].compiled += size;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    pthread_mutex_lock(&lock);
    uintptr_t kind = is_compiled(qemu_plugin_tb_vaddr(tb));
    pthread_mutex_unlock(&lock);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, (void *)(qemu_plugin_tb_n_insns(tb) << 1 | kind));
}

static void armed(qemu_plugin_id_t id)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
}

/* A reset drops every translation, and may only be asked for from a thread of the guest: the next system call is one. */
static void called(qemu_plugin_id_t id, unsigned int thread, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    (void)thread, (void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (__atomic_exchange_n(&arming, 0, __ATOMIC_SEQ_CST))
        qemu_plugin_reset(id, armed);
}

/* --- The control file */

static void obey(const char *command, const char *path)
{
    if (!strcmp(command, "arm"))
        arming = 1;
    if (!strcmp(command, "zero"))
        memset(counts, 0, sizeof counts);
    FILE *out = !strcmp(command, "write") ? fopen(path, "w") : NULL;
    for (int thread = 0; out && thread < THREADS; thread++)
        if (counts[thread].all)
            fprintf(out, "%d %" PRIu64 " %" PRIu64 "\n", thread, counts[thread].all, counts[thread].compiled);
    if (out)
        fclose(out);
}

static void *listen_for_commands(void *unused)
{
    for (;; usleep(10000)) {
        char command[16] = "", path[4096] = "";
        FILE *file = fopen(control, "r");
        if (!file)
            continue;
        int words = fscanf(file, "%15s %4095s", command, path);
        fclose(file);
        if (words >= 1)
            obey(command, path);
        unlink(control);
    }
    return unused;
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    pthread_t thread;
    (void)info;
    if (argc != 1 || !(control = strchr(argv[0], '=')))
        return fprintf(stderr, "count: give control=PATH\n"), 1;
    control = strdup(control + 1);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return pthread_create(&thread, NULL, listen_for_commands, NULL);
}
