/*
 * A file that is being downloaded, and the journal beside it that says which pieces of it are
 * there. A piece enters the journal after the system has it on the disk, so that whatever ends the
 * program, what the journal says is true.
 */
#pragma once

#include "base/mem.h"

#define RG_PART_PIECE_BYTES (1u << 20)
#define RG_PART_SIZE_MAX    (1ull << 44) // bytes of a file

typedef enum rg_part_state {
    RG_PART_FREE,
    RG_PART_TAKEN,
    RG_PART_WRITTEN,
    RG_PART_KEPT
} rg_part_state;

/** Fields may be read. Threads: one at a time per object; the journal is locked against other
 * processes. */
typedef struct rg_part {
    const rg_mem *mem;
    int fd;
    int journal;
    uint64_t size;
    size_t n_pieces;
    uint8_t *pieces;  // [n_pieces] rg_part_state
    size_t n_kept;    // pieces in the journal
    size_t n_written; // on their way there
} rg_part;

/**
 * Open a part or begin one.
 * @param path      of the part; the journal is PATH.journal
 * @param identity  what the file is (its hash, or where it comes from and its tag): a journal of
 * another one is begun anew Errors: RG_E_STATE (another process is at it), RG_E_IO, RG_E_LIMIT,
 * RG_E_MEMORY.
 */
rg_status rg_part_open(rg_part *part, const rg_mem *mem, const char *path, uint64_t size,
                       const char *identity, rg_error *err) RG_MUST_CHECK;
/** What is written and not yet in the journal is kept first, as far as that works. */
void rg_part_close(rg_part *part);

/** Bytes of piece i: [begin, end). */
static inline uint64_t rg_part_begin(size_t i) {
    return (uint64_t)i * RG_PART_PIECE_BYTES;
}
static inline uint64_t rg_part_end(const rg_part *part, size_t i) {
    const uint64_t end = rg_part_begin(i + 1);
    return end > part->size ? part->size : end;
}

/** Errors: RG_E_IO, "no room left" by name. */
rg_status rg_part_write(rg_part *part, uint64_t at, const void *data, size_t size,
                        rg_error *err) RG_MUST_CHECK;
/** Piece i is written whole. */
void rg_part_mark(rg_part *part, size_t i);
/** Bring what is marked to the disk, then into the journal. */
rg_status rg_part_sync(rg_part *part, rg_error *err) RG_MUST_CHECK;
/** Forget all pieces. */
rg_status rg_part_reset(rg_part *part, rg_error *err) RG_MUST_CHECK;

/** Bytes that a journal says are there, without opening the part; 0 when there is none of this
 * identity. */
uint64_t rg_part_kept_bytes(const rg_mem *mem, const char *path, uint64_t size,
                            const char *identity);
/** Take both files away. */
void rg_part_remove(const char *path);
