/*
 * hub/ gets models: their names, the hubs' listings, resumable and verified downloads, and the
 * store that keeps them. It relies on base/ and format/; libcurl and libcrypto do the network and
 * the hashes, and a build without them still reads names and the store. Nothing that comes from a
 * hub is trusted: names never become paths, sizes and hashes are checked.
 *
 * hub_name.h: names of models.
 *
 *   hf:owner/repo[:file-or-quant][@revision]      Hugging Face
 *   ms:owner/repo[:file-or-quant][@revision]      ModelScope
 *   ollama:[namespace/]name[:tag]                 Ollama's registry
 *   https://host/path[#sha256=HEX]                one file
 *   qwen3-0.6b                                    a short name of the curated list
 *
 * Addresses of the hubs' pages are read as the names they mean.
 */
#pragma once

#include "base/mem.h"
#include "base/view.h"

#define RG_HUB_NAME_MAX     2048 // bytes of a name
#define RG_HUB_OWNER_MAX    96   // bytes of an owner, of a repository, of a tag
#define RG_HUB_PICK_MAX     512  // bytes of a file or quantization in a name
#define RG_HUB_REVISION_MAX 128  // bytes of a revision
#define RG_HUB_PATH_MAX     1024 // bytes of a file's path in a repository
#define RG_HUB_DEPTH_MAX    16   // folders of such a path

typedef enum rg_hub_kind { RG_HUB_HF, RG_HUB_MS, RG_HUB_OLLAMA, RG_HUB_URL } rg_hub_kind;

/** A name taken apart. Texts are terminated; "" is what it does not state. */
typedef struct rg_hub_name {
    rg_hub_kind kind;
    char owner[RG_HUB_OWNER_MAX + 1]; // "library" where a name of ollama has none
    char repo[RG_HUB_OWNER_MAX + 1];
    char pick[RG_HUB_PICK_MAX + 1]; // a file, a quantization, ollama's tag ("latest")
    char revision[RG_HUB_REVISION_MAX + 1];
    char url[RG_HUB_NAME_MAX + 1];  // RG_HUB_URL, without its fragment
    char sha256[65];                // of its fragment
    char text[RG_HUB_NAME_MAX + 1]; // the name as it is written in full
} rg_hub_name;

/**
 * Read a name.
 * Errors: RG_E_ARG saying what is wrong with it: no hub, an unknown one, bytes that no name has
 * ("..", controls, a backslash, non-ASCII outside of file names), http:// beyond this machine.
 * RG_E_LIMIT naming the part that is too long.
 */
rg_status rg_hub_name_parse(const char *text, rg_hub_name *out, rg_error *err) RG_MUST_CHECK;

/** Does a text look like a name of a hub, by what it begins with, or is it a short name? */
bool rg_hub_name_is(const char *text);

/** May a path of a listing become a file below a folder? UTF-8 without controls, backslashes, empty
 * parts, "." and "..", not absolute, within the limits. */
bool rg_hub_path_is_safe(rg_str path);

/** Is this 64 hexadecimal digits, lower case? */
bool rg_hub_is_sha256(rg_str text);

/** A row of the curated list. */
typedef struct rg_hub_known {
    const char *name;
    const char *target; // a name of a hub
    const char *about;
} rg_hub_known;

/** Row i, NULL behind the last. */
const rg_hub_known *rg_hub_known_at(size_t i);

/** Is the address of this machine: http is fine there? `host` without port. */
bool rg_hub_is_local(rg_str host);
