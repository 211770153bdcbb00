/* Pulling a model: what the hub has, which files are wanted, the download, the store. */
#pragma once

#include "hub/hub_fetch.h"
#include "hub/hub_store.h"

#define RG_PULL_PAGES_MAX 256         // pages of a listing
#define RG_PULL_RESERVE   (64u << 20) // bytes that stay free on the disk

typedef enum rg_pull_event_kind {
    RG_PULL_PLAN,     // files, license and sizes are known; before anything is fetched
    RG_PULL_PROGRESS, // now and then
    RG_PULL_FILE,     // one is complete
} rg_pull_event_kind;

typedef struct rg_pull_event {
    rg_pull_event_kind kind;
    const rg_hub_name *name;
    const rg_hub_listing *listing;
    const rg_hub_file *file;           // FILE
    const rg_fetch_progress *progress; // PROGRESS
    uint64_t total_bytes;              // PLAN: of the chosen files
    uint64_t missing_bytes;            // of those not kept
    uint64_t free_bytes;               // on the store's disk
} rg_pull_event;

typedef struct rg_pull_options {
    bool is_dry_run;  // end after the plan
    bool is_offline;  // open no socket; RAGA_OFFLINE=1 says the same
    bool is_own_copy; // even when another tool has it
    unsigned n_connections;
    unsigned stall_s;
    unsigned n_retries;
    uint64_t bytes_s;
    bool (*event)(void *arg, const rg_pull_event *event); // false cancels; may be NULL
    void *arg;
} rg_pull_options;

/**
 * Bring a model into the store, or find that it is there.
 * @param path   [RG_STORE_PATH_MAX] a GGUF file or the folder of a checkpoint; "" after a dry run
 * @param where  receives whose copy that is when it is another tool's; else NULL
 * Errors: RG_E_NOT_FOUND (with near names, where the hub has a search), RG_E_STATE (offline;
 * another process pulls it), RG_E_LIMIT (no room on the disk, by numbers), RG_E_CANCELLED,
 * RG_E_FORMAT (the hub's answers or hashes are wrong), RG_E_IO.
 */
rg_status rg_pull(const rg_mem *mem, const rg_hub_name *name, const rg_pull_options *options,
                  char *path, const char **where, rg_error *err) RG_MUST_CHECK;
