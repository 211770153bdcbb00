/* Monotonic time. */
#pragma once

#include <stdint.h>

/** Nanoseconds since some fixed moment; never steps back. Threads: real-time safe. */
uint64_t rg_clock_ns(void);
