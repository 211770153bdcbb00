#include "base/map_guard.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// Written under `lock`, read by the signal handler: `start` is stored last (release) and read first
// (acquire), so the handler sees a whole entry or none.
typedef struct guard {
    _Atomic(uintptr_t) start; // 0: free
    _Atomic(size_t) size;
    atomic_bool is_broken;
} guard;

static guard guards[RG_MAP_GUARD_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards `guards` and `is_installed`
static bool is_installed;
static struct sigaction previous;
static uintptr_t page_size;

static void on_sigbus(int signo, siginfo_t *info, void *context) {
    const uintptr_t at = (uintptr_t)info->si_addr;
    for (size_t i = 0; i < RG_MAP_GUARD_MAX; i++) {
        const uintptr_t start = atomic_load_explicit(&guards[i].start, memory_order_acquire);
        if (start != 0 && at >= start &&
            at - start < atomic_load_explicit(&guards[i].size, memory_order_relaxed)) {
            atomic_store_explicit(&guards[i].is_broken, true, memory_order_release);
            void *page = (void *)(at & ~(page_size - 1));
            if (mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
                MAP_FAILED) {
                return;
            }
        }
    }
    // not ours: hand over, or take the default action by returning to the fault without a handler
    if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != NULL) {
        previous.sa_sigaction(signo, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signo);
    } else {
        signal(signo, SIG_DFL);
    }
}

void rg_map_guard_add(const void *start, size_t size) {
    pthread_mutex_lock(&lock);
    if (!is_installed) {
        page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
        struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigemptyset(&action.sa_mask);
        is_installed = sigaction(SIGBUS, &action, &previous) == 0;
    }
    for (size_t i = 0; i < RG_MAP_GUARD_MAX; i++) {
        if (atomic_load_explicit(&guards[i].start, memory_order_relaxed) == 0) {
            atomic_store_explicit(&guards[i].is_broken, false, memory_order_relaxed);
            atomic_store_explicit(&guards[i].size, size, memory_order_relaxed);
            atomic_store_explicit(&guards[i].start, (uintptr_t)start, memory_order_release);
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}

static guard *find(const void *start) {
    for (size_t i = 0; i < RG_MAP_GUARD_MAX; i++) {
        if (atomic_load_explicit(&guards[i].start, memory_order_acquire) == (uintptr_t)start) {
            return &guards[i];
        }
    }
    return NULL;
}

void rg_map_guard_remove(const void *start) {
    pthread_mutex_lock(&lock);
    guard *g = find(start);
    if (g != NULL) {
        atomic_store_explicit(&g->start, 0, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
}

bool rg_map_guard_is_intact(const void *start) {
    const guard *g = find(start);
    return g == NULL || !atomic_load_explicit(&g->is_broken, memory_order_acquire);
}
