/* A hash map from text to a 32-bit number; keys are borrowed. The hash is seeded per map, so that a
 * hostile file cannot choose keys that all collide. */
#pragma once

#include "base/mem.h"
#include "base/view.h"

#define RG_MAP_NONE UINT32_MAX

typedef struct rg_map_slot {
    const char *key;
    uint32_t key_size;
    uint32_t value; // RG_MAP_NONE: the slot is free
} rg_map_slot;

/** Threads: one at a time per object while adding; read-only finds from any thread after that. */
typedef struct rg_map {
    const rg_mem *mem;
    rg_map_slot *slots;
    size_t n_slots; // a power of two, or 0
    size_t n_used;
    uint64_t seed;
} rg_map;

void rg_map_init(rg_map *map, const rg_mem *mem);
void rg_map_clear(rg_map *map);
/** Room for n keys without growing. Errors: RG_E_MEMORY. */
rg_status rg_map_reserve(rg_map *map, size_t n, rg_error *err) RG_MUST_CHECK;
/**
 * Add a key (borrowed, under 4 GiB) with a value below RG_MAP_NONE.
 * @param old  when not NULL: receives the value that the key already had (which stays), or
 * RG_MAP_NONE
 */
rg_status rg_map_add(rg_map *map, rg_str key, uint32_t value, uint32_t *old,
                     rg_error *err) RG_MUST_CHECK;
/** The value of a key, or RG_MAP_NONE. */
uint32_t rg_map_find(const rg_map *map, rg_str key);

/** A 64-bit hash of bytes: fast, well mixed, not cryptographic. */
uint64_t rg_hash(const void *data, size_t size, uint64_t seed);
