#include "base/map.h"

#include <sys/random.h>

static uint64_t mix(uint64_t a, uint64_t b) {
    const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t rg_hash(const void *data, size_t size, uint64_t seed) {
    // multiply-and-fold over 8-byte words (the idea of wyhash), odd constants from the digits of pi
    const uint8_t *p = data;
    uint64_t h = seed ^ mix(size ^ 0x243F6A8885A308D3u, 0x13198A2E03707345u);
    while (size >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = mix(h ^ word, 0xA4093822299F31D1u);
        p += 8;
        size -= 8;
    }
    uint64_t tail = 0;
    if (size != 0) {
        memcpy(&tail, p, size);
    }
    return mix(h ^ tail ^ 0x082EFA98EC4E6C89u, 0x452821E638D01377u);
}

void rg_map_init(rg_map *map, const rg_mem *mem) {
    *map = (rg_map){.mem = mem};
    if (getrandom(&map->seed, sizeof map->seed, GRND_NONBLOCK) != (ssize_t)sizeof map->seed) {
        map->seed = (uintptr_t)map * 0x9E3779B97F4A7C15u;
    }
}

void rg_map_clear(rg_map *map) {
    rg_free(map->mem, map->slots);
    map->slots = NULL;
    map->n_slots = 0;
    map->n_used = 0;
}

// the slot that holds the key, or the free one where it belongs
static rg_map_slot *slot_of(const rg_map *map, rg_str key) {
    size_t i = rg_hash(key.data, key.size, map->seed) & (map->n_slots - 1);
    for (;;) {
        rg_map_slot *slot = &map->slots[i];
        if (slot->value == RG_MAP_NONE ||
            (slot->key_size == key.size && memcmp(slot->key, key.data, key.size) == 0)) {
            return slot;
        }
        i = (i + 1) & (map->n_slots - 1);
    }
}

rg_status rg_map_reserve(rg_map *map, size_t n, rg_error *err) {
    // at most half full
    size_t n_slots = 16;
    while (n_slots / 2 < n) {
        if (n_slots > SIZE_MAX / 4) {
            return rg_fail(err, RG_E_MEMORY, "a map of %zu keys is too large", n);
        }
        n_slots *= 2;
    }
    if (n_slots <= map->n_slots) {
        return RG_OK;
    }
    rg_map bigger = *map;
    bigger.slots = rg_new_array(map->mem, n_slots, sizeof *bigger.slots);
    bigger.n_slots = n_slots;
    if (bigger.slots == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a map of %zu keys", n);
    }
    for (size_t i = 0; i < n_slots; i++) {
        bigger.slots[i].value = RG_MAP_NONE;
    }
    for (size_t i = 0; i < map->n_slots; i++) {
        const rg_map_slot *slot = &map->slots[i];
        if (slot->value != RG_MAP_NONE) {
            *slot_of(&bigger, (rg_str){slot->key, slot->key_size}) = *slot;
        }
    }
    rg_free(map->mem, map->slots);
    *map = bigger;
    return RG_OK;
}

rg_status rg_map_add(rg_map *map, rg_str key, uint32_t value, uint32_t *old, rg_error *err) {
    if (key.size > UINT32_MAX) {
        return rg_fail(err, RG_E_LIMIT, "a key of %zu bytes is too long", key.size);
    }
    const rg_status status = rg_map_reserve(map, map->n_used + 1, err);
    if (status != RG_OK) {
        return status;
    }
    if (key.data == NULL) {
        key.data = "";
    }
    rg_map_slot *slot = slot_of(map, key);
    if (old != NULL) {
        *old = slot->value;
    }
    if (slot->value == RG_MAP_NONE) {
        *slot = (rg_map_slot){key.data, (uint32_t)key.size, value};
        map->n_used++;
    }
    return RG_OK;
}

uint32_t rg_map_find(const rg_map *map, rg_str key) {
    if (key.data == NULL) {
        key.data = "";
    }
    return map->n_slots == 0 || key.size > UINT32_MAX ? RG_MAP_NONE : slot_of(map, key)->value;
}
