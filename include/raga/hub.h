/* Models by name: pulling them from hubs, and the store that keeps them. Names and hubs:
 * docs/hub.md. */
#pragma once

#include "raga/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Is this a name of a model rather than a path: does it begin as one, or is it a short name of the
 * list? */
RAGA_API bool raga_hub_is_name(const char *text);

/**
 * The path of a model of a name, if it is on this machine: in the store, in Hugging Face's cache or
 * in Ollama's store. Opens no socket.
 * @param path   receives a GGUF file or the folder of a checkpoint, for raga_model_open; owned:
 * raga_free()
 * @param where  receives whose copy it is, a constant text; NULL for the store's own; may be NULL
 * Errors: RAGA_E_NOT_FOUND: it is not here; RAGA_E_ARG: no name.
 */
RAGA_API raga_status raga_hub_find(const char *name, char **path, const char **where,
                                   raga_error *err) RAGA_MUST_CHECK;

/** A short name. Texts are constant. */
typedef struct raga_hub_known {
    size_t size;
    const char *name;
    const char *target; // what it stands for
    const char *about;
} raga_hub_known;

/** Row i of the list of short names; false behind the last. */
RAGA_API bool raga_hub_known_at(size_t i, raga_hub_known *out);

/** A file of a model. Texts are borrowed during the call. */
typedef struct raga_hub_file {
    size_t size;
    const char *path;
    uint64_t bytes;
    const char *sha256; // ""; not known (yet)
} raga_hub_file;

typedef enum raga_pull_event_kind {
    RAGA_PULL_PLAN,     // what is wanted is known; nothing is fetched yet
    RAGA_PULL_PROGRESS, // now and then
    RAGA_PULL_FILE,     // a file is complete and verified
} raga_pull_event_kind;

/** How a pull goes. Texts are borrowed during the call. */
typedef struct raga_pull_event {
    size_t size;
    raga_pull_event_kind kind;
    const char *name;           // in full
    const char *revision;       // the commit; ""
    const char *license;        // as the hub states it; "": it does not
    const char *note;           // why these files; ""
    const raga_hub_file *files; // PLAN: all of them; FILE: the one
    size_t n_files;
    uint64_t total_bytes;
    uint64_t done_bytes; // PROGRESS; of a PLAN: that are there from before
    uint64_t free_bytes; // PLAN: on the store's disk
    double bytes_s;      // PROGRESS, lately; 0: not known
    const char *waiting; // PROGRESS: why nothing comes at the moment; NULL
    double wait_s;       // how long yet
} raga_pull_event;

/** A false answer cancels. */
typedef bool raga_pull_fn(void *arg, const raga_pull_event *event);

typedef struct raga_pull_options {
    size_t size;
    const char *name;       // required
    bool is_dry_run;        // end after the plan
    bool is_offline;        // open no socket; RAGA_OFFLINE=1 in the environment says the same
    bool is_own_copy;       // even when another tool has the model
    unsigned n_connections; // 0: 8
    unsigned stall_s;       // without a byte, a connection is given up; 0: 30
    unsigned n_retries;     // in a row without progress; 0: 8
    uint64_t bytes_s;       // at most; 0: no limit
    raga_pull_fn *event;
    void *arg;
} raga_pull_options;

/**
 * Bring a model into the store. What is fetched is kept whatever happens: the next pull of the name
 * goes on from there.
 * @param path   receives where the model is, owned: raga_free(); NULL after a dry run; may be NULL
 * @param where  as in raga_hub_find
 * Errors: RAGA_E_NOT_FOUND, RAGA_E_STATE (offline, or another process pulls it), RAGA_E_LIMIT (no
 * room), RAGA_E_CANCELLED, RAGA_E_FORMAT (sizes or hashes are not the hub's), RAGA_E_IO,
 * RAGA_E_UNSUPPORTED (built without libcurl or OpenSSL). Threads: any thread; one pull of a name at
 * a time.
 */
RAGA_API raga_status raga_hub_pull(const raga_pull_options *options, char **path,
                                   const char **where, raga_error *err) RAGA_MUST_CHECK;

/** A model of the store. Texts are borrowed during the call. */
typedef struct raga_store_model {
    size_t size;
    const char *name;
    const char *path;     // ""; not complete
    const char *revision; // ""
    const char *license;  // ""
    bool is_complete;
    bool is_pull; // one that has not ended
    uint64_t bytes;
    uint64_t kept_bytes; // that are there
    int64_t pulled_s;    // since 1970
    const raga_hub_file *files;
    size_t n_files;
} raga_store_model;

/** A false answer ends the walk. */
typedef bool raga_store_fn(void *arg, const raga_store_model *model);

/** Each model of the store by name, then each pull that has not ended. @param n_unreadable  records
 * that cannot be read; may be NULL */
RAGA_API raga_status raga_store_walk(raga_store_fn *fn, void *arg, size_t *n_unreadable,
                                     raga_error *err) RAGA_MUST_CHECK;
/** Remove a model, or what a pull left, with the files that nothing else needs. @param freed bytes;
 * may be NULL Errors: RAGA_E_NOT_FOUND; RAGA_E_STATE: it is being pulled. */
RAGA_API raga_status raga_store_remove(const char *name, uint64_t *freed,
                                       raga_error *err) RAGA_MUST_CHECK;
/** Remove files that no record needs. */
RAGA_API raga_status raga_store_sweep(uint64_t *freed, raga_error *err) RAGA_MUST_CHECK;

/** What the store takes, in bytes. */
typedef struct raga_store_usage {
    size_t size;
    uint64_t blob_bytes;    // that models need, each file once
    uint64_t named_bytes;   // the sum over models: more when they share files
    uint64_t partial_bytes; // of pulls that have not ended
    uint64_t unused_bytes;  // that no record needs
    uint64_t free_bytes;    // on the store's disk
    size_t n_models;
    size_t n_pulls;
    size_t n_unreadable;
    char path[4096]; // of the store
} raga_store_usage;
RAGA_API raga_status raga_store_measure(raga_store_usage *usage, raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
