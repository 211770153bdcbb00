/*
 * A mapped file that another program cuts short raises SIGBUS on the next touch. The guard turns
 * that into zeros and a flag: the handler maps a zero page over the missing one and marks the
 * mapping. A SIGBUS outside every guarded mapping goes to whoever handled it before.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** Most mappings guarded at once; those beyond are mapped all the same, without the guard. */
#define RG_MAP_GUARD_MAX 512

/** Threads: any thread. */
void rg_map_guard_add(const void *start, size_t size);
void rg_map_guard_remove(const void *start);
bool rg_map_guard_is_intact(const void *start);
