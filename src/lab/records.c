/* What of the records needs no database: where it lies, and the hashes of files. */
#include "lab/records.h"

#include "base/file.h"
#include "base/map.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { WHOLE_BYTES = 16 << 20, PIECES = 64, PIECE_BYTES = 64 << 10, HASH_SEED = 7 };

rg_status rg_records_path(char *out, size_t size, rg_error *err) {
    const char *own = getenv("RAGA_DATA_DIR");
    const char *xdg = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    int n = 0;
    if (own != NULL && own[0] != '\0') {
        n = snprintf(out, size, "%s/runs.db", own);
    } else if (xdg != NULL && xdg[0] != '\0') {
        n = snprintf(out, size, "%s/raga/runs.db", xdg);
    } else if (home != NULL && home[0] != '\0') {
        n = snprintf(out, size, "%s/.local/share/raga/runs.db", home);
    } else {
        return rg_fail(err, RG_E_IO, "no place for the records of runs: set RAGA_DATA_DIR or HOME");
    }
    if (n < 0 || (size_t)n >= size) {
        return rg_fail(err, RG_E_LIMIT, "the path of runs.db has %d bytes, limit %zu", n, size - 1);
    }
    return RG_OK;
}

// ---- hashes ----

static rg_status hash_file(const char *path, uint64_t *hash, rg_error *err) {
    rg_file_map map;
    const rg_status status = rg_file_map_open(path, &map, err);
    if (status != RG_OK) {
        return status;
    }
    const uint64_t size = map.bytes.size;
    uint64_t h = rg_hash(&size, sizeof size, *hash);
    if (size <= WHOLE_BYTES) {
        h = rg_hash(map.bytes.data, map.bytes.size, h);
    } else {
        for (uint64_t i = 0; i < PIECES; i++) {
            const uint64_t last = size - PIECE_BYTES;
            const uint64_t at = last / (PIECES - 1) * i + last % (PIECES - 1) * i / (PIECES - 1);
            h = rg_hash(map.bytes.data + at, PIECE_BYTES, h);
        }
    }
    rg_file_map_close(&map);
    *hash = h;
    return RG_OK;
}

// files of a folder enter by name, in whatever order the folder gives them: a sum does not care
static rg_status hash_folder(const char *path, uint64_t *hash, rg_error *err) {
    rg_status status = RG_OK;
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return rg_fail(err, RG_E_IO, "cannot read the folder %s", path);
    }
    const struct dirent *entry = NULL;
    while (status == RG_OK && (entry = readdir(dir)) != NULL) {
        char file[4096];
        status = rg_path_join(file, sizeof file, path, rg_str_of(entry->d_name), err);
        if (status == RG_OK && entry->d_name[0] != '.' &&
            rg_file_kind_of(file) == RG_FILE_REGULAR) {
            uint64_t h = rg_hash(entry->d_name, strlen(entry->d_name), HASH_SEED);
            status = hash_file(file, &h, err);
            *hash += h;
        }
    }
    closedir(dir);
    return status;
}

rg_status rg_records_hash(const char *path, char out[17], rg_error *err) {
    uint64_t hash = HASH_SEED;
    const rg_status status = rg_file_kind_of(path) == RG_FILE_DIRECTORY
                                 ? hash_folder(path, &hash, err)
                                 : hash_file(path, &hash, err);
    if (status == RG_OK) {
        snprintf(out, 17, "%016" PRIx64, hash);
    }
    return status;
}
