/*
 * The store: files by their content, and a record for each name of a model.
 *
 *   blobs/sha256-HEX            a file, complete and verified
 *   partial/KEY, KEY.journal    a file on its way (hub_part.h)
 *   pulls/MODEL.json            what a pull wants that has not ended: nobody removes what it has
 *   models/MODEL/manifest.json  a model: its name, where it comes from, its files with hashes
 *   models/MODEL/files-HASH/    links named as the files are, to their blobs
 *   lock                        held while records and blobs change
 *
 * MODEL is a readable form of the name and a hash of it; a name itself never is a path. Records are
 * written atomically; a blob gets its name when it is complete. So whatever ends the program, the
 * store is whole.
 */
#pragma once

#include "hub/hub_listing.h"

#define RG_STORE_PATH_MAX     4096        // bytes of a path
#define RG_STORE_MANIFEST_MAX (16u << 20) // bytes of a record
#define RG_STORE_MODELS_MAX   4096        // models listed

/** Threads: any thread; processes are kept apart by the lock. */
typedef struct rg_store {
    const rg_mem *mem;
    int pull_lock; // of the pull that rg_store_begin began; -1
    char root[RG_STORE_PATH_MAX];
} rg_store;

/** RAGA_STORE, else XDG_DATA_HOME/raga, else ~/.local/share/raga. Nothing is made. Errors: RG_E_IO:
 * none is set; RG_E_LIMIT. */
rg_status rg_store_open(rg_store *store, const rg_mem *mem, rg_error *err) RG_MUST_CHECK;
/** Ends what rg_store_begin began, whether or not it is complete. */
void rg_store_close(rg_store *store);

/** A record. The listing's files are all chosen. */
typedef struct rg_store_model {
    char name[RG_HUB_NAME_MAX + 1];
    int64_t pulled_s;             // since 1970
    bool is_pull;                 // one that has not ended
    bool is_complete;             // a model with all its files
    char path[RG_STORE_PATH_MAX]; // a GGUF file, or the folder of a checkpoint; "" when it is not
                                  // complete
    size_t size;                  // bytes of its files
    uint64_t kept_bytes;          // that are there
    rg_hub_listing listing;
} rg_store_model;

void rg_store_model_clear(rg_store_model *model);

/** A false answer ends the walk. */
typedef bool rg_store_fn(void *arg, const rg_store_model *model);
/** Each model by name, then each pull that has not ended. A record that cannot be read is passed
 * over and counted. */
rg_status rg_store_walk(const rg_store *store, rg_store_fn *fn, void *arg, size_t *n_unreadable,
                        rg_error *err) RG_MUST_CHECK;
/** The model of exactly this name, or of one that means the same files (no file named and one model
 * of the repository; a quantization that its files are). Errors: RG_E_NOT_FOUND. */
rg_status rg_store_find(const rg_store *store, const rg_hub_name *name, rg_store_model *out,
                        rg_error *err) RG_MUST_CHECK;

/** A pull begins: remember what it wants; hashes that an earlier pull of the name found are taken
 * over. */
rg_status rg_store_begin(rg_store *store, const rg_hub_name *name, rg_hub_listing *listing,
                         rg_error *err) RG_MUST_CHECK;
/** A file is complete: its part becomes a blob, its hash enters the record of the pull. */
rg_status rg_store_take(const rg_store *store, const rg_hub_name *name, rg_hub_listing *listing,
                        rg_hub_file *file, const char *sha256, rg_error *err) RG_MUST_CHECK;
/** All chosen files are blobs: the model is there. @param path [RG_STORE_PATH_MAX] as in
 * rg_store_model Errors: RG_E_STATE: a blob was taken away meanwhile. */
rg_status rg_store_end(const rg_store *store, const rg_hub_name *name, rg_hub_listing *listing,
                       char *path, rg_error *err) RG_MUST_CHECK;

/** Is the file there as a blob? */
bool rg_store_has(const rg_store *store, const rg_hub_file *file);
/** Where a file lies while it is on its way, and what its part must be. */
rg_status rg_store_part(const rg_store *store, const rg_hub_file *file,
                        char path[RG_STORE_PATH_MAX], char identity[RG_STORE_PATH_MAX],
                        rg_error *err) RG_MUST_CHECK;

/** Remove a model, or a pull that has not ended, and the files that nothing else needs. @param
 * freed  bytes Errors: RG_E_NOT_FOUND; RG_E_STATE: it is being pulled. */
rg_status rg_store_remove(const rg_store *store, const rg_hub_name *name, uint64_t *freed,
                          rg_error *err) RG_MUST_CHECK;
/** Remove what no record needs. */
rg_status rg_store_sweep(const rg_store *store, uint64_t *freed, rg_error *err) RG_MUST_CHECK;

typedef struct rg_store_usage {
    uint64_t blob_bytes;    // that models need, each file once
    uint64_t named_bytes;   // the sum over models: more when they share files
    uint64_t partial_bytes; // on the disk for files on their way
    uint64_t unused_bytes;  // blobs and parts that no record needs
    uint64_t free_bytes;    // on the store's disk
    size_t n_models;
    size_t n_pulls;
    size_t n_unreadable;
} rg_store_usage;
rg_status rg_store_measure(const rg_store *store, rg_store_usage *usage,
                           rg_error *err) RG_MUST_CHECK;
/** Bytes free where the store is, or will be. */
uint64_t rg_store_free_bytes(const rg_store *store);
