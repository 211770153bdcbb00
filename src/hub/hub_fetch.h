/* Files over several connections, in ranges, resumed from what is kept, hashed on the way. */
#pragma once

#include "hub/hub_http.h"

#define RG_FETCH_CONNECTIONS_MAX 32 // at once

/** A file that is wanted. Texts are borrowed. */
typedef struct rg_fetch_file {
    const char *url;      // at the hub
    const char *path;     // of the part
    const char *name;     // for people
    const char *identity; // what a part must be to be gone on with
    uint64_t size;
    const char *sha256;    // that it must have; "": not known
    const char *git;       // SHA-1 as a git blob that it must have; "": not known
    char found_sha256[65]; // receives what it has
} rg_fetch_file;

typedef struct rg_fetch_progress {
    uint64_t done_bytes; // kept from before, and new
    uint64_t total_bytes;
    double bytes_s;      // lately; 0: not known
    size_t n_done;       // files
    const char *waiting; // why nothing comes at the moment; NULL
    double wait_s;
} rg_fetch_progress;

typedef struct rg_fetch_options {
    unsigned n_connections; // 0: 8
    uint64_t bytes_s;       // at most, of all together; 0: no limit
    bool (*progress)(void *arg, const rg_fetch_progress *progress); // false cancels; may be NULL
    /** File i is there and is what it must be: its part is closed, and the caller's to take. */
    rg_status (*done)(void *arg, size_t i, rg_error *err);
    void *arg;
} rg_fetch_options;

/**
 * Download. Connections that break or stall, and servers that are busy, are tried again; a file
 * whose hash is wrong is fetched once more from nothing. Errors: RG_E_CANCELLED; RG_E_FORMAT: a
 * size or a hash is not the hub's; RG_E_NOT_FOUND, RG_E_IO, RG_E_STATE, RG_E_MEMORY. Whatever
 * happens, what was written is kept for the next time.
 */
rg_status rg_fetch(const rg_mem *mem, rg_http *http, rg_fetch_file *files, size_t n,
                   const rg_fetch_options *options, rg_error *err) RG_MUST_CHECK;
