/* Pictures that were looked at, kept for the next turn of a conversation: clients send them again
 * each time, and a session goes on only behind the very same picture. */
#pragma once

#include "base/mem.h"
#include "base/view.h"
#include "raga/picture.h"

#include <pthread.h>

#define RG_SHELF_PICTURES_MAX 16         // that are kept
#define RG_SHELF_BYTES_MAX    (64 << 20) // of their files

/** A picture that several may hold. */
typedef struct rg_seen {
    raga_picture *picture;
    unsigned n_holders; // guarded by the shelf's lock, as all below
    size_t owner;
    char *file; // its bytes, by which it is known
    size_t size;
    uint64_t used;
} rg_seen;

/** Threads: each call is whole. */
typedef struct rg_shelf {
    const rg_mem *mem;
    pthread_mutex_t lock;
    rg_seen *items[RG_SHELF_PICTURES_MAX]; // guarded by lock, as all below; NULL: free
    size_t n_bytes;
    uint64_t n_uses;
} rg_shelf;

void rg_shelf_init(rg_shelf *shelf, const rg_mem *mem);
/** All pictures must have been let go. */
void rg_shelf_clear(rg_shelf *shelf);
/**
 * Look at a picture, or find it as the same owner had it looked at before.
 * @param out  held until rg_shelf_release
 * Errors: those of raga_picture_read.
 */
raga_status rg_shelf_look(rg_shelf *shelf, raga_model *model, size_t owner, rg_str file,
                          rg_seen **out, raga_error *err);
void rg_shelf_release(rg_shelf *shelf, rg_seen *seen);
