/* Where the reference folder lies, and its files line by line. */
#pragma once

#include "base/file.h"
#include "format/json.h"

#include <stdio.h>
#include <stdlib.h>

/** The reference folder: RAGA_SHARED, or ../shared beside the working directory. */
static inline const char *shared_folder(void) {
    const char *path = getenv("RAGA_SHARED");
    return path == NULL ? "../shared" : path;
}

/** True when the folder is there; else prints why the test is skipped (return 77 from main). */
static inline bool shared_is_there(void) {
    if (rg_file_kind_of(shared_folder()) == RG_FILE_DIRECTORY) {
        return true;
    }
    printf("skipped: no reference folder at %s (set RAGA_SHARED)\n", shared_folder());
    return false;
}

/** A whole file of the folder, on the heap; data NULL when it is not there. */
static inline rg_str shared_read(const char *name) {
    char path[1024];
    rg_bytes bytes = {0};
    rg_error err;
    snprintf(path, sizeof path, "%s/%s", shared_folder(), name);
    if (rg_file_read(rg_mem_heap(), path, (size_t)1 << 28, &bytes, &err) != RG_OK) {
        return (rg_str){0};
    }
    return (rg_str){(const char *)bytes.data, bytes.size};
}

/** The next line of a text; false at its end. */
static inline bool shared_line(rg_str text, size_t *at, rg_str *line) {
    if (*at >= text.size) {
        return false;
    }
    const char *end = memchr(text.data + *at, '\n', text.size - *at);
    const size_t stop = end == NULL ? text.size : (size_t)(end - text.data);
    *line = rg_str_slice(text, *at, stop);
    *at = stop + 1;
    return true;
}
