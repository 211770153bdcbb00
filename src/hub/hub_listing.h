/* What a hub says a model consists of: files with sizes and hashes; and which of them are wanted.
 */
#pragma once

#include "base/mem.h"
#include "hub/hub_name.h"

#define RG_HUB_FILES_MAX    20000       // files of a repository's listing
#define RG_HUB_LAYERS_MAX   256         // layers of an ollama manifest
#define RG_HUB_MANIFEST_MAX (4u << 20)  // bytes of an ollama manifest, of a page of a listing
#define RG_HUB_INDEX_MAX    (64u << 20) // bytes of a safetensors index
#define RG_HUB_LICENSE_MAX  256         // bytes of a license's name

/** A file. Texts live in the listing's arena. */
typedef struct rg_hub_file {
    rg_str path;
    uint64_t size;
    bool has_size;
    char sha256[65]; // "": the hub does not state it
    char git[41];    // SHA-1 of a git blob; "": not stated
    char tag[128];   // without a hash: what tells versions apart (ETag, date); ""
    bool is_chosen;
    bool is_at_root;
} rg_hub_file;

/** A listing; zero it, rg_hub_listing_init. Threads: one at a time per object. */
typedef struct rg_hub_listing {
    rg_arena arena;
    rg_hub_file *files;
    size_t n;
    size_t capacity;
    char revision[RG_HUB_REVISION_MAX + 1]; // the commit; "" where a hub has none
    char license[RG_HUB_LICENSE_MAX + 1];   // ""
    char note[256];                         // why these files: "Q4_K_M, the usual choice"; ""
} rg_hub_listing;

void rg_hub_listing_init(rg_hub_listing *listing, const rg_mem *mem);
void rg_hub_listing_clear(rg_hub_listing *listing);

/** Add a file. @param out  the row, to be completed; valid until the next is added
 * Errors: RG_E_FORMAT (a path that cannot be a file's), RG_E_LIMIT, RG_E_MEMORY. */
rg_status rg_hub_listing_add(rg_hub_listing *listing, rg_str path, rg_hub_file **out,
                             rg_error *err) RG_MUST_CHECK;
/** The file of a path, or NULL. */
rg_hub_file *rg_hub_listing_find(rg_hub_listing *listing, rg_str path);

/**
 * Add what a hub answered. Files come once, whatever a listing says.
 *   hf:      a page of /api/models/{repo}/tree/{revision}: a list of entries
 *   ms:      /api/v1/models/{repo}/repo/files: Data.Files
 *   ollama:  a manifest: layers with digests; its license's digest goes to *license when there is
 * one Errors: RG_E_FORMAT naming the entry, RG_E_LIMIT, RG_E_MEMORY.
 */
rg_status rg_hub_listing_of_hf(rg_hub_listing *listing, rg_str json, rg_error *err) RG_MUST_CHECK;
rg_status rg_hub_listing_of_ms(rg_hub_listing *listing, rg_str json, rg_error *err) RG_MUST_CHECK;
rg_status rg_hub_listing_of_ollama(rg_hub_listing *listing, const rg_hub_name *name, rg_str json,
                                   rg_error *err) RG_MUST_CHECK;

/** Commit and license of /api/models/{repo}/revision/{revision}. */
rg_status rg_hub_listing_facts_of_hf(rg_hub_listing *listing, rg_str json,
                                     rg_error *err) RG_MUST_CHECK;
/** License of /api/v1/models/{repo}. */
rg_status rg_hub_listing_facts_of_ms(rg_hub_listing *listing, rg_str json,
                                     rg_error *err) RG_MUST_CHECK;

/**
 * Mark the files that a name asks for.
 *   a file of that path (all parts of a split GGUF set), or the GGUF files of that quantization;
 *   else a checkpoint: safetensors of the root with their index, settings, tokenizer, templates,
 * license; else one GGUF: Q4_K_M, or the nearest that is there. Errors: RG_E_NOT_FOUND saying what
 * there is instead.
 */
rg_status rg_hub_choose(rg_hub_listing *listing, const rg_hub_name *name,
                        rg_error *err) RG_MUST_CHECK;

/** The path of the chosen safetensors index, or NULL. */
const rg_hub_file *rg_hub_chosen_index(const rg_hub_listing *listing);
/** Of the safetensors, choose exactly those that the index names. Errors: RG_E_FORMAT (no index, or
 * one that names a file that is not there), RG_E_MEMORY. */
rg_status rg_hub_choose_shards(rg_hub_listing *listing, rg_str index, rg_error *err) RG_MUST_CHECK;

/** The file that a model of the chosen files is opened by: the first GGUF, or NULL for a folder of
 * a checkpoint, or a lone file of another kind. @param is_folder  it is a checkpoint */
const rg_hub_file *rg_hub_main_file(const rg_hub_listing *listing, bool *is_folder);
